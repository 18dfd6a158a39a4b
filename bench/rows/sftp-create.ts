import { stat } from "node:fs/promises";
import { join } from "node:path";
import { runSftpFloor } from "../load/sftp-floor.ts";
import { upload } from "../load/upload.ts";
import { processorSeconds } from "../measure/process.ts";
import { startDaemon } from "./calls.ts";
import type { Bench, Contender, Row, Sample } from "./row.ts";

const mebibyte = 1024 * 1024;
const size = 64;

/** A large file, sent as it comes. An operation of this row is one MiB of it. */
export const sftpCreateRow: Row = {
  name: "sftp-create",
  title: "64 MiB to sftp `create` by `InvokeBindingStream`, each MiB",
  contenders: ["cufflink", "floor"],
  requirements: [{ measure: "cpu", contender: "cufflink", of: "floor", atMost: 1.5 }],
  async open(contender, bench): Promise<Contender> {
    if (contender === "floor") {
      const { server, login } = await target(bench);
      return {
        round: () => runSftpFloor({ ...server, ...login, mebibytes: size }),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      };
    }
    const { server, login } = await target(bench);
    const metadata = { ...login, address: `${server.host}:${server.port}`, rootPath: "." };
    const running = await startDaemon(contender, bench, { name: "files", type: "sftp", metadata });
    const send = (mebibytes: number): Promise<void> => {
      const invocation = {
        component: "files",
        operation: "create",
        metadata: { fileName: "large" },
      };
      return upload(running.ports.grpc, invocation, mebibytes * mebibyte);
    };
    await send(size);
    return {
      async round(): Promise<Sample> {
        const before = processorSeconds(running.pid);
        const began = performance.now();
        await send(size);
        const seconds = (performance.now() - began) / 1000;
        const cpu = ((processorSeconds(running.pid) - before) / size) * 1e6;
        const stored = await stat(join(server.files, "large"));
        if (stored.size !== size * mebibyte) throw new Error(`${stored.size} bytes were stored`);
        return { rate: size / seconds, cpu };
      },
      [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
    };
  },
};

async function target(bench: Bench) {
  const server = await bench.systems.openssh();
  return { server, login: server.login };
}
