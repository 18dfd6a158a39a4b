// The thread that owns the store's files: a slow disk holds up nobody but those who wait for it.
import { parentPort, workerData } from "node:worker_threads";
import type { Expired } from "./dead-letter-table.ts";
import { Engine, type EngineOptions } from "./engine.ts";
import type { Reply, Request } from "./operations.ts";

/** What comes back from the thread. */
export type WorkerMessage = {
  readonly replies?: readonly Reply[];
  readonly notice?: string;
  readonly expired?: readonly Expired[];
  /** Why the last write failed; absent: it did not. */
  readonly trouble?: string | undefined;
};

const minute = 60_000;
/** Writes that nobody waits for come at the latest after so long, in milliseconds. */
const flushDelay = 1000;
/** Between two tries to write while that fails. */
const probePause = 2000;

if (parentPort !== null) run(parentPort, workerData as EngineOptions);

function run(port: NonNullable<typeof parentPort>, options: EngineOptions): void {
  if (options.clock !== undefined) {
    const time = new Float64Array(options.clock);
    // All that runs in this thread is the store.
    Date.now = () => time[0] ?? 0;
  }
  const say = (message: WorkerMessage): void => {
    port.postMessage({ ...message, trouble: engine.trouble } satisfies WorkerMessage);
  };
  const engine = new Engine(options, {
    notice: (notice) => say({ notice }),
    expired: (expired) => say({ expired }),
  });
  let waiting: Request[] = [];
  let due: NodeJS.Immediate | undefined;
  let flushing: NodeJS.Timeout | undefined;
  let probing: NodeJS.Timeout | undefined;

  // What came while a transaction ran is there together, and shares the next.
  const work = (): void => {
    due = undefined;
    const requests = waiting;
    waiting = [];
    engine.run(requests, (replies) => say({ replies }));
    plan();
  };
  /** An idle thread does not wake up. */
  const plan = (): void => {
    if (engine.unwritten) flushing ??= setTimeout(flush, flushDelay);
    if (engine.trouble !== undefined) probing ??= setTimeout(probe, probePause);
  };
  const flush = (): void => {
    flushing = undefined;
    engine.flush();
    plan();
  };
  const probe = (): void => {
    probing = undefined;
    if (engine.trouble !== undefined) engine.probe();
    say({});
    plan();
  };
  port.on("message", (requests: readonly Request[] | "close") => {
    if (requests === "close") {
      if (due !== undefined) {
        clearImmediate(due);
        work();
      }
      engine.close();
      port.close();
      process.exit();
    }
    for (const request of requests) waiting.push(request);
    due ??= setImmediate(work);
  });
  setInterval(() => {
    engine.sweep();
    say({});
    plan();
  }, minute);
}
