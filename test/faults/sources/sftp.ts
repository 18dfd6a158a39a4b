import { chmod, mkdir, readdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startProxy } from "../../servers/proxy.ts";
import { uniqueName } from "../../servers/unique-name.ts";
import type { OpenedSource, Source } from "../opened-source.ts";

/** A folder of the server's, into which each event is renamed as a file on its own machine. */
export const sftp: Source = {
  name: "sftp",
  bounds: { app: 64, runtime: 64, server: 0, serverAtEnd: 64 },
  async opened(kit) {
    const openssh = await kit.servers.openssh(kit.ownServer);
    const { server } = openssh;
    const { privateKey, publicLine } = openssh.newKey();
    if (kit.credentials) await openssh.allow(publicLine);
    const proxy = await startProxy(server);
    const rootPath = uniqueName("faults");
    const folder = join(server.files, rootPath);
    await mkdir(folder, { recursive: true });
    await chmod(folder, 0o777);
    return {
      component: {
        ...{ name: "inbox", type: "bindings.sftp" },
        metadata: {
          ...{ address: `${proxy.host}:${proxy.port}`, direction: "input", ...server.login },
          ...(kit.credentials ? { privateKey } : {}),
          ...{ rootPath, quietTime: "50ms", pollInterval: "200ms", maxPollInterval: "1s" },
        },
      },
      ordered: false,
      ...{ server, proxy },
      async send(event) {
        const path = join(folder, `${event.uuid}.json`);
        await writeFile(`${path}.part`, JSON.stringify(event));
        await rename(`${path}.part`, path);
      },
      async remains() {
        const names = (await readdir(folder)).filter((name) => name.endsWith(".json"));
        return names.length === 0 ? undefined : `${names.length} files are not put away`;
      },
      credentials: {
        async revoke() {
          await openssh.deny(publicLine);
          proxy.cut();
        },
        restore: () => openssh.allow(publicLine),
      },
      async [Symbol.asyncDispose]() {
        await openssh.deny(publicLine);
        await proxy[Symbol.asyncDispose]();
      },
    } satisfies OpenedSource;
  },
};
