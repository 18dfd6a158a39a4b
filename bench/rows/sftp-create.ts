import { stat } from "node:fs/promises";
import { join } from "node:path";
import { floor, start } from "../subject.ts";
import { startDaemon } from "./calls.ts";
import { largeContender, largeSize } from "./large-objects.ts";
import type { Bench, Row } from "./row.ts";

/** What the raw driver is given. */
export type SftpAddress = {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly privateKey: string;
};

/** A large file, sent as it comes. An operation of this row is one MiB of it. */
export const sftpCreateRow: Row = {
  name: "sftp-create",
  title: "64 MiB to sftp `create` by `InvokeBindingStream`, each MiB",
  contenders: ["cufflink", "floor"],
  requirements: [{ measure: "cpu", contender: "cufflink", of: "floor", atMost: 1.5 }],
  async open(contender, bench) {
    const { server, login } = await target(bench);
    const { host, port } = server;
    const metadata = { ...login, address: `${host}:${port}`, rootPath: "." };
    const address: SftpAddress = { host, port, ...login };
    const running =
      contender === "floor"
        ? await start(
            floor("stream-floor.ts", "sftp", JSON.stringify(address)),
            bench.circumstances,
          )
        : await startDaemon(contender, bench, { name: "files", type: "sftp", metadata });
    const fileName = contender === "floor" ? "floor" : "large";
    const invocation = { component: "files", operation: "create", metadata: { fileName } };
    return largeContender(running, "upload", invocation, async () => {
      const stored = await stat(join(server.files, fileName));
      if (stored.size !== largeSize * 1024 * 1024)
        throw new Error(`${stored.size} bytes are there`);
    });
  },
};

async function target(bench: Bench) {
  const server = await bench.systems.openssh();
  return { server, login: server.login };
}
