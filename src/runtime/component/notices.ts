import type { Logger } from "../../binding.ts";

/** What is worth knowing about a component that works all the same. */
export class Notices {
  readonly #logger: Logger;
  readonly #texts = new Set<string>();
  readonly #logged = new Set<string>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** All that holds for the connection there is; empty: nothing. */
  get text(): string {
    return [...this.#texts].join("; ");
  }

  /** Holds until {@link Notices.clear}; logged once in a component's life. */
  add(text: string): void {
    this.#texts.add(text);
    if (this.#logged.has(text)) return;
    this.#logged.add(text);
    this.#logger.warn({}, text);
  }

  /** The connection is gone. */
  clear(): void {
    this.#texts.clear();
  }
}
