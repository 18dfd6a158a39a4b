import { abortable } from "../../abortable.ts";
import { BindingError, messageOf } from "../../errors.ts";

/** A connection that messages are sent on. */
type Session = { end(): Promise<void> };

/** The client id that it sends under, and how to connect. */
export type SenderOptions<S extends Session> = {
  /** The broker and the client id, as a text. */
  readonly identity: string;
  readonly connect: (signal: AbortSignal) => Promise<S>;
};

const connectTimeout = 10_000;

/**
 * Who in this process sends under a client id. A broker lets each be connected once and cuts the
 * older connection, so at a reload the older sender is asked to finish first.
 */
const holders = new Map<string, { retire(): Promise<void> }>();

/** Sends messages on a connection of its own, made at the first. */
export class Sender<S extends Session> {
  readonly #options: SenderOptions<S>;
  readonly #sending = new Set<Promise<unknown>>();
  #session: Promise<S> | undefined;
  #closed = false;

  constructor(options: SenderOptions<S>) {
    this.#options = options;
  }

  /** Resolves as `publish` does. It may then be repeated by nobody. */
  async send<Result>(
    publish: (session: S) => Promise<Result>,
    signal: AbortSignal,
  ): Promise<Result> {
    if (signal.aborted) throw gaveUp(signal, "unsent");
    const sending = this.#send(publish);
    this.#sending.add(sending);
    const done = (): unknown => this.#sending.delete(sending);
    sending.then(done, done);
    return abortable(sending, signal, () => gaveUp(signal, "ambiguous"));
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (holders.get(this.#options.identity) === this) holders.delete(this.#options.identity);
    await this.#disconnect();
  }

  /** Lets what is being sent end, and frees the client id; connects again if it has more to send. */
  async retire(): Promise<void> {
    await Promise.allSettled(this.#sending);
    await this.#disconnect();
  }

  async #send<Result>(publish: (session: S) => Promise<Result>): Promise<Result> {
    try {
      return await publish(await this.#connected());
    } catch (error) {
      const { reason, effect, systemCode, message } = BindingError.from(error, "unavailable");
      throw new BindingError(reason, `failed to publish: ${message}`, {
        effect,
        systemCode,
        cause: error,
      });
    }
  }

  #connected(): Promise<S> {
    if (this.#session !== undefined) return this.#session;
    const connecting = this.#connect();
    this.#session = connecting;
    connecting.catch(() => {
      if (this.#session === connecting) this.#session = undefined;
    });
    return connecting;
  }

  async #connect(): Promise<S> {
    if (this.#closed)
      throw new BindingError("unavailable", "the component was closed", { effect: "unsent" });
    const { identity, connect } = this.#options;
    const before = holders.get(identity);
    holders.set(identity, this);
    if (before !== undefined && before !== this) await before.retire();
    return connect(AbortSignal.timeout(connectTimeout));
  }

  async #disconnect(): Promise<void> {
    const connecting = this.#session;
    this.#session = undefined;
    const session = await connecting?.catch(() => undefined);
    await session?.end();
  }
}

function gaveUp(signal: AbortSignal, effect: BindingError["effect"]): BindingError {
  const late = signal.reason instanceof Error && signal.reason.name === "TimeoutError";
  return new BindingError(
    late ? "deadline_exceeded" : "cancelled",
    late
      ? "failed to publish: context deadline exceeded"
      : `failed to publish: cancelled (${messageOf(signal.reason)})`,
    { effect, cause: signal.reason },
  );
}
