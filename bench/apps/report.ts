// What an app of the bench, or a floor in its place, tells the bench over its channel.
import { processorSeconds } from "../measure/process.ts";
import { type Percentiles, percentiles } from "../measure/statistics.ts";
import { nowMicroseconds } from "../wire/payload.ts";
import { type Counts, EventCounter } from "./event-counter.ts";

/** The first argument of such a program, as JSON. */
export type AppOrder = {
  /** Where an app listens. */
  readonly port: number;
  /** What a floor reads from: the server, and the topic, queue or session there. */
  readonly address: string;
  readonly source: string;
  readonly keys: number;
  /** Events that wait when it begins. */
  readonly waiting: number;
  /** How many of them come before the clock begins: a program just started is not what runs all day. */
  readonly warm: number;
  /** Events that come at a fixed rate once those have all arrived. */
  readonly paced: number;
};

/** To the app: whose processor time counts. A floor measures itself. */
export type ToApp = { readonly runtime: number };

/** From the app. */
export type FromApp =
  | { readonly kind: "listening" }
  | {
      readonly kind: "drained";
      /** From the last event of the warm-up to the last of those that waited. */
      readonly seconds: number;
      /** Processor time of the runtime and of the app in that time. */
      readonly runtimeSeconds: number;
      readonly appSeconds: number;
      readonly counts: Counts;
    }
  | { readonly kind: "paced"; readonly latencies: Percentiles; readonly counts: Counts }
  | { readonly kind: "progress"; readonly distinct: number }
  | { readonly kind: "broken"; readonly reason: string };

/** Takes the events that arrive, and sends word once all that waited, and all that were paced, are there. */
export class Report {
  readonly order: AppOrder;
  readonly #counter: EventCounter;
  readonly #latencies: Float64Array;
  #measured = 0;
  #runtime: number | undefined;
  #began: { at: number; runtime: number; app: number } | undefined;

  constructor(ownRuntime: boolean) {
    this.order = JSON.parse(process.argv[2] ?? "") as AppOrder;
    const { keys, waiting, paced } = this.order;
    this.#counter = new EventCounter(keys, waiting + paced);
    this.#latencies = new Float64Array(paced);
    if (ownRuntime) this.#runtime = process.pid;
    process.on("message", ({ runtime }: ToApp) => (this.#runtime = runtime));
    process.on("disconnect", () => process.exit());
    const timer = setInterval(
      () => send({ kind: "progress", distinct: this.#counter.distinct }),
      1000,
    );
    timer.unref();
  }

  /** One event, whose payload begins at the offset. */
  event(bytes: Uint8Array, offset: number): void {
    const before = this.#counter.distinct;
    const stamp = this.#counter.note(bytes, offset);
    if (stamp > 0) this.#latencies[this.#measured++] = (nowMicroseconds() - stamp) / 1000;
    const { distinct } = this.#counter;
    if (distinct === before) return;
    const { waiting, warm, paced } = this.order;
    if (distinct === warm) this.#began = this.#sample();
    if (distinct === waiting) this.#sayDrained();
    if (distinct === waiting + paced && paced > 0) {
      const latencies = percentiles(this.#latencies.subarray(0, this.#measured));
      send({ kind: "paced", latencies, counts: this.#counter.counts });
    }
  }

  #sample(): { at: number; runtime: number; app: number } {
    if (this.#runtime === undefined)
      throw new Error("the warm-up ended before the runtime's id came");
    return {
      at: performance.now(),
      runtime: processorSeconds(this.#runtime),
      app: processorSeconds(process.pid),
    };
  }

  #sayDrained(): void {
    const began = this.#began!;
    const now = this.#sample();
    send({
      kind: "drained",
      seconds: (now.at - began.at) / 1000,
      runtimeSeconds: now.runtime - began.runtime,
      appSeconds: now.app - began.app,
      counts: this.#counter.counts,
    });
  }
}

/** Tells the bench. */
export function send(message: FromApp): void {
  process.send?.(message);
}

/** Tells the bench of what is thrown, and ends. */
export function reportFailures(): void {
  process.on("uncaughtException", (error) => {
    process.send?.({ kind: "broken", reason: error.message } satisfies FromApp, () =>
      process.exit(1),
    );
  });
}
