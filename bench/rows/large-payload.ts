import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { InvokeStream } from "../load/invoke-stream.ts";
import { forgetPeak, peakMebibytes, residentMebibytes } from "../measure/process.ts";
import { streamFrame } from "../wire/bulk.ts";
import type { Invocation } from "../wire/grpc.ts";
import { startDaemon } from "./calls.ts";
import type { Bench, Contender, Row, Sample } from "./row.ts";

const whole = 64 * 1024 * 1024;
const part = Buffer.alloc(256 * 1024, "0123456789abcdef");

/** What a payload larger than most messages costs in memory. */
export const largePayloadRow: Row = {
  name: "large-payload",
  title: "64 MiB to `localstorage` by `InvokeBindingStream`",
  contenders: ["cufflink"],
  requirements: [{ measure: "growth", contender: "cufflink", atMost: 16 }],
  open(_, bench) {
    return Promise.resolve({
      round: () => growth(bench),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    } satisfies Contender);
  },
};

/** The most resident while the payload goes through a fresh daemon, beyond what was after a small one. */
async function growth(bench: Bench): Promise<Sample> {
  const rootPath = await mkdtemp(join(bench.folder, "files-"));
  try {
    const component = { name: "files", type: "localstorage", metadata: { rootPath } };
    await using running = await startDaemon("cufflink", bench, component);
    await upload(running.ports.grpc, "small", part.length);
    const before = residentMebibytes(running.pid);
    forgetPeak(running.pid);
    await upload(running.ports.grpc, "large", whole);
    const peak = peakMebibytes(running.pid);
    const stored = await readFile(join(rootPath, "large"));
    const expected = createHash("sha256");
    for (let at = 0; at < whole; at += part.length) expected.update(part);
    if (createHash("sha256").update(stored).digest("hex") !== expected.digest("hex")) {
      throw new Error(`the file that was stored is another one; it has ${stored.length} bytes`);
    }
    return { growth: peak - before };
  } finally {
    await rm(rootPath, { recursive: true, force: true });
  }
}

async function upload(port: number, fileName: string, bytes: number): Promise<void> {
  const { promise: done, resolve, reject } = Promise.withResolvers<void>();
  const invocation: Invocation = {
    component: "files",
    operation: "create",
    metadata: { fileName },
  };
  using stream = new InvokeStream(port, {
    answered: () => resolve(),
    turn() {},
    failed: reject,
  });
  for (let at = 0; at < bytes; at += part.length) {
    const place = { first: at === 0, last: at + part.length === bytes };
    const written = stream.write(streamFrame(1, invocation, { data: part, ...place }));
    await Promise.race([written, done]);
  }
  await done;
}
