import { abortable } from "../abortable.ts";
import { delay } from "../delay.ts";
import { BindingError, messageOf } from "../errors.ts";
import type { Logger } from "../binding.ts";
import type { ConnectRelay, RelayLink } from "./link.ts";

const firstPause = 100;
const longestPause = 5_000;

/** The one connection of a process for all its relays, made anew when it is gone. */
export class SharedLink implements AsyncDisposable {
  readonly #connect: ConnectRelay;
  readonly #logger: Logger;
  readonly #ended = new AbortController();
  #link: (RelayLink & AsyncDisposable) | undefined;
  #connecting: Promise<RelayLink> | undefined;
  readonly #lost = new Set<(reason: BindingError) => void>();

  constructor(connect: ConnectRelay, logger: Logger) {
    this.#connect = connect;
    this.#logger = logger;
  }

  /** Why there is no connection; `undefined`: there is one, or nobody has asked for one. */
  trouble: string | undefined;

  /** Told when the connection is gone. The result ends that. */
  onLost(run: (reason: BindingError) => void): () => void {
    this.#lost.add(run);
    return () => void this.#lost.delete(run);
  }

  /** Resolves once there is a connection, however long that takes. Rejects once the signal is aborted. */
  async get(signal: AbortSignal): Promise<RelayLink> {
    signal.throwIfAborted();
    if (this.#link !== undefined && this.#link.ended === undefined) return this.#link;
    this.#connecting ??= this.#open().finally(() => (this.#connecting = undefined));
    return abortable(
      this.#connecting,
      signal,
      () => new BindingError("cancelled", "the relay ends"),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    await this.#connecting?.catch(() => {});
    await this.#link?.[Symbol.asyncDispose]();
    this.#link = undefined;
  }

  async #open(): Promise<RelayLink> {
    const { signal } = this.#ended;
    for (let pause = firstPause; ; pause = Math.min(longestPause, pause * 2)) {
      signal.throwIfAborted();
      try {
        const link = await this.#connect(signal, (reason) => this.#gone(reason));
        this.#link = link;
        this.trouble = undefined;
        return link;
      } catch (error) {
        const reason = messageOf(error);
        if (this.trouble !== reason)
          this.#logger.warn({ reason }, "the relay has no connection; it is tried again");
        this.trouble = reason;
        await delay(pause, signal);
      }
    }
  }

  #gone(reason: BindingError): void {
    this.#link = undefined;
    for (const run of this.#lost) run(reason);
  }
}
