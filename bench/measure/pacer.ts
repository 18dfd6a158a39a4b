// Says when something is due, more finely than the timers of an event loop, which are whole milliseconds and
// late behind other work: a thread sleeps until the moment and posts a message.
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { nowMicroseconds } from "../wire/payload.ts";

type Pace = { readonly perSecond: number; readonly count: number };
type Due = { readonly begin: number; readonly until: number };

/**
 * Calls `due(index, meant)` for 0 … count - 1, evenly spaced; `meant` is the moment of plan, in microseconds of the
 * machine's clock, whatever the delay of the call itself. Resolves after the last.
 */
export async function pace(
  perSecond: number,
  count: number,
  due: (index: number, meant: number) => void,
): Promise<void> {
  const data: Pace = { perSecond, count };
  const worker = new Worker(new URL(import.meta.url), { workerData: data });
  await new Promise<void>((resolve, reject) => {
    let next = 0;
    worker.on("message", ({ begin, until }: Due) => {
      for (; next < until; next++) due(next, begin + (next * 1e6) / perSecond);
      if (next === count) resolve();
    });
    worker.on("error", reject);
  });
  await worker.terminate();
}

if (!isMainThread && parentPort !== null) {
  const { perSecond, count } = workerData as Pace;
  const never = new Int32Array(new SharedArrayBuffer(4));
  // Once all of this is running.
  const begin = nowMicroseconds() + 20_000;
  let until = 0;
  while (until < count) {
    const wait = begin + (until * 1e6) / perSecond - nowMicroseconds();
    if (wait > 0) Atomics.wait(never, 0, 0, wait / 1000);
    const passed = nowMicroseconds() - begin;
    until = Math.min(count, Math.max(until, Math.floor((passed * perSecond) / 1e6) + 1));
    parentPort.postMessage({ begin, until } satisfies Due);
  }
}
