import { BindingError, messageOf } from "../../errors.ts";
import type { Driver } from "../../nats-client/driver.ts";
import { Link } from "../../nats-client/link.ts";
import type { NatsSettings } from "../../nats-client/settings.ts";

export type ConnectionOptions = {
  readonly settings: NatsSettings;
  /** What the server calls this client in its own lists. */
  readonly name: string;
  /** Loads the driver; throws a `BindingError` that says how to install it. */
  readonly driver: () => Driver;
  /** What has to hold before the connection is used: rejects with a `BindingError`. */
  readonly prepare: (link: Link) => Promise<void>;
  /** `trouble` has changed. */
  readonly changed: () => void;
  readonly hide: ((secret: string) => void) | undefined;
};

/** Pauses between two attempts to connect, in milliseconds. */
const firstPause = 100;
const longestPause = 5_000;

/** The store's connection, which is made at its first use and made again while somebody wants it. */
export class StoreConnection {
  readonly #options: ConnectionOptions;
  readonly #closing = new AbortController();
  readonly #up = new Set<(link: Link) => void>();
  readonly #down = new Set<() => void>();
  #link: Link | undefined;
  #connecting: Promise<Link> | undefined;
  #failed: BindingError | undefined;
  #pause = firstPause;
  #again: NodeJS.Timeout | undefined;
  #driver: Driver | undefined;
  #checking = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  get driver(): Driver {
    return (this.#driver ??= this.#options.driver());
  }

  get settings(): NatsSettings {
    return this.#options.settings;
  }

  /** Why there is no connection, as far as that was tried. */
  get trouble(): string | undefined {
    return this.#failed?.message;
  }

  get current(): Link | undefined {
    return this.#link;
  }

  /** Rejects with a `BindingError` of effect `unsent`; at once while nothing is tried. */
  async link(): Promise<Link> {
    if (this.#closing.signal.aborted) throw closedError();
    if (this.#link !== undefined) return this.#link;
    if (this.#connecting === undefined && this.#failed !== undefined) throw this.#failed;
    return this.#connect();
  }

  /** Resolves once there is one, at the latest at the signal, when it rejects. */
  async nextLink(signal: AbortSignal): Promise<Link> {
    for (;;) {
      try {
        return await this.link();
      } catch (error) {
        if (signal.aborted || this.#closing.signal.aborted) throw error;
        await new Promise<void>((resolve) => {
          const done = (): void => {
            signal.removeEventListener("abort", done);
            stop();
            resolve();
          };
          signal.addEventListener("abort", done);
          const stop = this.onUp(done);
        });
      }
    }
  }

  /** Asks what is wrong with what the connection was prepared for, and prepares anew on another one if something is. */
  async check(wrong: (link: Link) => Promise<BindingError | undefined>): Promise<void> {
    const link = this.#link;
    if (link === undefined || this.#checking) return;
    this.#checking = true;
    try {
      const reason = await wrong(link);
      if (reason !== undefined) this.#lose(link, reason);
    } finally {
      this.#checking = false;
    }
  }

  /** Calls for each connection that is made from now on. The result ends that. */
  onUp(run: (link: Link) => void): () => void {
    this.#up.add(run);
    return () => void this.#up.delete(run);
  }

  onDown(run: () => void): () => void {
    this.#down.add(run);
    return () => void this.#down.delete(run);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    clearTimeout(this.#again);
    await this.#connecting?.catch(() => undefined);
    await this.#link?.[Symbol.asyncDispose]();
    this.#link = undefined;
  }

  #connect(): Promise<Link> {
    clearTimeout(this.#again);
    this.#connecting ??= this.#open()
      .catch((error: unknown) => {
        const failure = BindingError.from(error, "unavailable", "unsent");
        throw this.#fail(new BindingError(failure.reason, failure.message, { effect: "unsent" }));
      })
      .finally(() => (this.#connecting = undefined));
    return this.#connecting;
  }

  async #open(): Promise<Link> {
    const { settings, name, hide, prepare } = this.#options;
    const link = await Link.open(this.driver, {
      ...{ metadata: settings, name, hide, memory: undefined, signal: this.#closing.signal },
      lost: (reason) => this.#lose(link, reason),
      ...{ connectTimeout: 2_000, pingInterval: 2_000 },
    });
    try {
      await prepare(link);
      if (link.ended !== undefined) throw link.ended;
      this.#closing.signal.throwIfAborted();
    } catch (error) {
      await link[Symbol.asyncDispose]();
      throw error;
    }
    this.#link = link;
    this.#pause = firstPause;
    this.#failed = undefined;
    this.#options.changed();
    for (const run of [...this.#up]) run(link);
    return link;
  }

  #lose(link: Link, reason: BindingError): void {
    void link[Symbol.asyncDispose]();
    // One that was never whole fails where it is opened.
    if (this.#link !== link) return;
    this.#link = undefined;
    this.#fail(new BindingError("unavailable", messageOf(reason), { effect: "unsent" }));
    for (const run of [...this.#down]) run();
  }

  #fail(error: BindingError): BindingError {
    this.#failed = error;
    if (!this.#closing.signal.aborted) {
      // Replicas that lose one server at one time do not come back in step.
      const pause = this.#pause * (0.5 + Math.random() / 2);
      this.#pause = Math.min(2 * this.#pause, longestPause);
      this.#again = setTimeout(() => void this.#connect().catch(() => undefined), pause);
      this.#again.unref();
    }
    this.#options.changed();
    return error;
  }
}

function closedError(): BindingError {
  return new BindingError("unavailable", "the store is closed", { effect: "unsent" });
}
