import { abortable, abortFailure } from "../../../abortable.ts";
import { BindingError } from "../../../errors.ts";
import { Slots } from "../../../slots.ts";
import { executing } from "./failures.ts";
import type { Query } from "./protocol.ts";
import { Session, type Result, type SessionOptions } from "./session.ts";

/** Queries on the connection at one time, as Microsoft's settings for the drivers have it. */
const mostAtOnce = 32;

/** Keeps one connection to a Gremlin server, and makes another one for a query that finds none. */
export class GremlinClient implements AsyncDisposable {
  readonly #options: SessionOptions;
  readonly #slots = new Slots(mostAtOnce);
  #session: Promise<Session> | undefined;
  #isClosed = false;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** Rejects with a `BindingError` that is `unsent`. */
  async connect(signal: AbortSignal): Promise<void> {
    await this.#connected(signal);
  }

  async run(query: Query, signal: AbortSignal): Promise<Result> {
    await this.#slots.take(signal).catch((reason: unknown) => {
      throw abortFailure(executing, reason, "unsent");
    });
    try {
      const session = await this.#connected(signal);
      return await session.run(query, signal);
    } finally {
      this.#slots.release();
    }
  }

  async ping(signal: AbortSignal): Promise<void> {
    const session = await this.#connected(signal);
    await session.ping(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    const session = await this.#session?.catch(() => undefined);
    await session?.close();
  }

  /** However many ask for it, one connection is made. */
  async #connected(signal: AbortSignal): Promise<Session> {
    if (this.#isClosed) throw new BindingError("unavailable", "it is closed", { effect: "unsent" });
    this.#session ??= this.#open();
    return abortable(this.#session, signal, () => abortFailure(executing, signal.reason, "unsent"));
  }

  #open(): Promise<Session> {
    const opening = Session.open(this.#options);
    const forget = (): void => {
      if (this.#session === opening) this.#session = undefined;
    };
    opening.then((session) => session.ended.then(forget), forget);
    return opening;
  }
}
