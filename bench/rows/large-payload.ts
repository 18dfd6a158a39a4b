import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { payloadPart as part, upload } from "../load/upload.ts";
import { forgetPeak, peakMebibytes, residentMebibytes } from "../measure/process.ts";
import type { Invocation } from "../wire/grpc.ts";
import { startDaemon } from "./calls.ts";
import type { Bench, Contender, Row, Sample } from "./row.ts";

const whole = 64 * 1024 * 1024;

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
    await upload(running.ports.grpc, invocation("small"), part.length);
    const before = residentMebibytes(running.pid);
    forgetPeak(running.pid);
    await upload(running.ports.grpc, invocation("large"), whole);
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

function invocation(fileName: string): Invocation {
  return { component: "files", operation: "create", metadata: { fileName } };
}
