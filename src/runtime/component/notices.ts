import type { Logger } from "../../binding.ts";

/** What is worth knowing about a component that works all the same. */
export class Notices {
  readonly #logger: Logger;
  #texts = new Set<string>();
  /** Of the connection before, which were logged then. */
  #before: ReadonlySet<string> = new Set();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** All that holds for the connection there is; empty: nothing. */
  get text(): string {
    return [...this.#texts].join("; ");
  }

  /** Holds until {@link Notices.clear}. Logged, unless it held for the connection before, too. */
  add(text: string): void {
    if (this.#texts.has(text)) return;
    this.#texts.add(text);
    if (!this.#before.has(text)) this.#logger.warn({}, text);
  }

  /** The connection is gone. */
  clear(): void {
    // An attempt that failed had nothing to tell.
    if (this.#texts.size === 0) return;
    this.#before = this.#texts;
    this.#texts = new Set();
  }
}
