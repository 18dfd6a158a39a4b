import type { Logger } from "../../logger.ts";

export type Signal = "traces" | "metrics";

/** How exporting to one target goes: counts what was dropped, and tells when that begins and when it ends. */
export class ExportHealth {
  readonly #signal: Signal;
  readonly #target: string;
  readonly #logger: Logger;
  #dropped = 0;
  /** How many had been dropped when the trouble began; `undefined`: there is none. */
  #since: number | undefined;

  constructor(signal: Signal, target: string, logger: Logger) {
    this.#signal = signal;
    this.#target = target;
    this.#logger = logger;
  }

  /** Spans or data points that will not come to the target, since the start. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Whether what was exported last did not arrive. */
  get troubled(): boolean {
    return this.#since !== undefined;
  }

  drop(count: number, reason: string): void {
    this.#since ??= this.#begin(reason);
    this.#dropped += count;
  }

  succeeded(): void {
    if (this.#since === undefined) return;
    const lost = this.#dropped - this.#since;
    this.#since = undefined;
    const facts = { signal: this.#signal, target: this.#target, lost };
    this.#logger.info(facts, "telemetry is exported again");
  }

  #begin(reason: string): number {
    const facts = { signal: this.#signal, target: this.#target, reason: reason.slice(0, 300) };
    this.#logger.warn(
      facts,
      "telemetry cannot be exported: it is dropped and counted until that ends; nothing waits for it",
    );
    return this.#dropped;
  }
}
