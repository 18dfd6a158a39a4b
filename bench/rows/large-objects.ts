// What the rows of payloads in parts have in common. An operation of such a row is one MiB.
import { download, upload } from "../load/upload.ts";
import { processorSeconds } from "../measure/process.ts";
import type { Running } from "../subject.ts";
import type { Invocation } from "../wire/grpc.ts";
import type { Contender, Sample } from "./row.ts";

/** Of each payload, in MiB. */
export const largeSize = 64;
const bytes = largeSize * 1024 * 1024;

/** Sends one after another, or asks for it; `check` rejects where not all of it was taken. */
export async function largeContender(
  running: Running,
  way: "upload" | "download",
  invocation: Invocation,
  check: () => Promise<void> = () => Promise.resolve(),
): Promise<Contender> {
  const move = way === "upload" ? upload : download;
  const run = (): Promise<void> => move(running.ports.grpc, invocation, bytes);
  // Twice for the compilers.
  await run();
  await run();
  return {
    async round(): Promise<Sample> {
      const before = processorSeconds(running.pid);
      const began = performance.now();
      const times = 2;
      for (let time = 0; time < times; time++) await run();
      const seconds = (performance.now() - began) / 1000;
      const mebibytes = largeSize * times;
      const cpu = ((processorSeconds(running.pid) - before) / mebibytes) * 1e6;
      await check();
      return { rate: mebibytes / seconds, cpu };
    },
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
}
