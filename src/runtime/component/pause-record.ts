import type { Logger } from "../../binding.ts";
import { messageOf } from "../../errors.ts";
import type { PauseStore } from "../../store/store.ts";
import { withTimeout } from "../timeout.ts";
import type { Pause } from "../status.ts";

/** In milliseconds: a disk that hangs must keep neither what is well from being read nor an operator waiting. */
const longest = 5_000;

/**
 * The pause of one input in the store, so that it outlasts the process. What the store cannot do is told in the
 * log and changes nothing now. Nothing here rejects.
 */
export class PauseRecord {
  readonly #store: PauseStore | undefined;
  readonly #component: string;
  readonly #logger: Logger;

  /** Without a store nothing is kept, and nothing is said about it. */
  constructor(store: PauseStore | undefined, component: string, logger: Logger) {
    this.#store = store;
    this.#component = component;
    this.#logger = logger;
  }

  /** What an earlier process has left. */
  async recall(): Promise<Pause | undefined> {
    const trouble = "whether it was paused before cannot be read; it is not paused now";
    const stored = await this.#withTimeout(this.#store?.load(this.#component), trouble);
    if (stored === undefined) return undefined;
    const { by, reason, since } = stored;
    this.#logger.info({ by, reason, since: new Date(since) }, "input is paused as it was before");
    return { by, reason, since: new Date(since) };
  }

  async keep({ by, reason, since }: Pause): Promise<void> {
    const pause = { by, reason, since: since.getTime() };
    const trouble = "the pause cannot be stored; it ends with the process";
    await this.#withTimeout(this.#store?.put(this.#component, pause), trouble);
  }

  async forget(): Promise<void> {
    const trouble = "the end of the pause cannot be stored; the next process may pause it again";
    await this.#withTimeout(this.#store?.remove(this.#component), trouble);
  }

  async #withTimeout<Value>(
    work: Promise<Value> | undefined,
    trouble: string,
  ): Promise<Value | undefined> {
    if (work === undefined) return undefined;
    try {
      return await withTimeout(work, longest, "the store gave no answer");
    } catch (error) {
      this.#logger.warn({ reason: messageOf(error) }, trouble);
      return undefined;
    }
  }
}
