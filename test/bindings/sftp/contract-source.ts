import { chmod, mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import sftp from "../../../src/bindings/sftp/index.ts";
import type { OwnServer } from "../../servers/kinds.ts";
import { uniqueName } from "../../servers/unique-name.ts";
import type { Source } from "../contract.ts";

/** A folder of the server's, into which files are renamed on its own machine. */
export function sftpSource(server: OwnServer<"openssh">): Source {
  return {
    binding: sftp,
    largest: 2 ** 20,
    async place() {
      const rootPath = uniqueName("root");
      const folder = join(server.files, rootPath);
      await mkdir(folder, { recursive: true });
      await chmod(folder, 0o777);
      let files = 0;
      const put = async (name: string, data: Uint8Array): Promise<void> => {
        await writeFile(join(folder, `${name}.part`), data);
        await rename(join(folder, `${name}.part`), join(folder, name));
      };
      return {
        properties: {
          ...{ address: `${server.host}:${server.port}`, ...server.login, rootPath },
          ...{ quietTime: "20ms", pollInterval: "50ms", maxPollInterval: "200ms" },
        },
        send: (data) => put(`${++files}.bin`, data),
        async sendMarked() {
          await put("grün file.csv", Buffer.from("12345"));
          return ({ metadata }) =>
            expect(metadata).toMatchObject({ fileName: "grün file.csv", size: "5" });
        },
      };
    },
  };
}
