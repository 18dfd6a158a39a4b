import { abortFailure } from "../abortable.ts";
import type { Duplex } from "node:stream";
import { BindingError, messageOf } from "../errors.ts";
import { dial, openCarrier, whereOf } from "./dial.ts";
import type { Condition, Driver, RawConnection, RawSession } from "./driver.ts";
import { conditionText, reasonOf } from "./failures.ts";
import type { ServerAddress } from "./server-address.ts";

export type ConnectionOptions = {
  readonly driver: Driver;
  readonly address: ServerAddress;
  readonly containerId: string;
  /** Milliseconds. */
  readonly idleTimeout: number;
  readonly signal: AbortSignal;
  /** Called once if the connection ends otherwise than by `close`. */
  readonly lost: (reason: BindingError) => void;
};

/** What the server may send in one frame. Larger messages come in several. */
const maxFrameSize = 128 * 1024;
/** Transfers that may be under way in a session, each way. */
const sessionWindow = 2048;
const connectTimeout = 30_000;
const closeTimeout = 2000;

/** A connection with one session. It never reconnects by itself. */
export class AmqpConnection {
  readonly raw: RawConnection;
  readonly session: RawSession;
  readonly #where: string;
  readonly #options: ConnectionOptions;
  readonly #opened = Promise.withResolvers<void>();
  readonly #gone = Promise.withResolvers<void>();
  readonly #onEnd = new Set<(reason: BindingError) => void>();
  readonly #carrier: Duplex | undefined;
  #socket: Duplex | undefined;
  #isOpen = false;
  #closing = false;
  #ended: BindingError | undefined;
  #corked = false;

  private constructor(options: ConnectionOptions, carrier: Duplex | undefined) {
    const { driver, address, containerId, idleTimeout } = options;
    this.#options = options;
    this.#carrier = carrier;
    this.#where = whereOf(address);
    this.#opened.promise.catch(() => {});
    const container = driver.rhea.create_container({ id: containerId });
    // What nobody else listens to must not end the process.
    container.on("error", (error: unknown) => this.#fail(messageOf(error), error));
    this.raw = container.create_connection({
      container_id: containerId,
      hostname: address.hostname,
      sasl_init_hostname: address.hostname,
      sasl_mechanisms: {
        [address.sasl.mechanism]: {
          start: (callback: (error: undefined, response: Buffer) => void) =>
            callback(undefined, address.sasl.response),
          step: (_: unknown, callback: (error: undefined, response: Buffer) => void) =>
            callback(undefined, Buffer.alloc(0)),
        },
      },
      reconnect: false,
      max_frame_size: maxFrameSize,
      // The driver gives up after twice the time that it asks the server for.
      idle_time_out: Math.max(1, Math.floor(idleTimeout / 2)),
      properties: { product: "Cufflink" },
      connection_details: () => ({
        connect: (_port: number, _host: string, _options: object, connected: () => void) =>
          this.#dial(connected),
      }),
    });
    // Else the driver says good-bye first, and waits a second for an answer.
    this.raw.idle = () => this.#fail("it no longer answers");
    this.#listen();
    this.raw.connect();
    this.session = this.raw.create_session({ incoming: sessionWindow, outgoing: sessionWindow });
    this.session.once("session_open", () => this.#opened.resolve());
    this.session.begin();
  }

  /** Connects, authenticates and begins a session; rejects with the server's refusal. */
  static async open(options: ConnectionOptions): Promise<AmqpConnection> {
    const { address, signal } = options;
    const where = whereOf(address);
    const what = `connecting to the AMQP server at ${where}`;
    if (signal.aborted) throw abortFailure(what, signal.reason, "unsent");
    const inTime = AbortSignal.any([signal, AbortSignal.timeout(connectTimeout)]);
    const carrier = await openCarrier(address, inTime).catch((error: unknown) => {
      if (signal.aborted) throw abortFailure(what, signal.reason, "unsent");
      const text = `${unusable(where)}: ${messageOf(error)}`;
      throw new BindingError("unavailable", text, { effect: "unsent", cause: error });
    });
    const connection = new AmqpConnection(options, carrier);
    const giveUp = (): void => connection.#end(abortFailure(what, signal.reason, "unsent"));
    const timer = setTimeout(() => connection.#fail("it does not answer"), connectTimeout);
    signal.addEventListener("abort", giveUp);
    try {
      await connection.#opened.promise;
      connection.#isOpen = true;
      return connection;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", giveUp);
    }
  }

  /** What ended it; `undefined` while it lives. */
  get ended(): BindingError | undefined {
    return this.#ended;
  }

  /** Calls back once it has ended, however that comes, unless the returned function was called before. */
  onEnd(listener: (reason: BindingError) => void): () => void {
    if (this.#ended === undefined) this.#onEnd.add(listener);
    else listener(this.#ended);
    return () => void this.#onEnd.delete(listener);
  }

  /** A session of its own, which may end without the connection. */
  beginSession(): RawSession {
    const session = this.raw.create_session({ incoming: sessionWindow, outgoing: sessionWindow });
    session.begin();
    return session;
  }

  /** Resolves once the server has answered. */
  async roundTrip(signal: AbortSignal): Promise<void> {
    if (this.#ended !== undefined) throw this.#ended;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const giveUp = (): void =>
      reject(abortFailure("asking the AMQP server", signal.reason, "unsent"));
    if (signal.aborted) giveUp();
    signal.addEventListener("abort", giveUp);
    const forget = this.onEnd(reject);
    try {
      const session = this.raw.create_session();
      session.once("session_open", () => {
        resolve();
        session.close();
      });
      session.on("session_close", () => {});
      session.on("session_error", () => resolve());
      session.begin();
      await promise;
    } finally {
      signal.removeEventListener("abort", giveUp);
      forget();
    }
  }

  /** What is written in this turn goes out in one write: the system calls are what a small message costs most. */
  shareWrite(): void {
    if (this.#corked || this.#socket === undefined) return;
    this.#corked = true;
    this.#socket.cork();
    setImmediate(() => {
      this.#corked = false;
      this.#socket?.uncork();
    });
  }

  /** It can be used no more. */
  fail(why: string): void {
    this.#fail(why);
  }

  /** Closes it in good order, or cuts it when that takes too long. Never rejects. */
  async close(): Promise<void> {
    this.#closing = true;
    if (this.#ended === undefined) {
      this.raw.close();
      const timer = setTimeout(() => this.#gone.resolve(), closeTimeout);
      await this.#gone.promise;
      clearTimeout(timer);
    }
    this.#end(new BindingError("unavailable", "the connection was closed", { effect: "unsent" }));
  }

  #dial(connected: () => void): Duplex {
    const socket = dial(this.#options.address, this.#carrier, connected);
    this.#socket = socket;
    socket.on("close", () => this.#fail("it closed the connection"));
    // The driver gathers a frame of any size.
    socket.on("data", () => {
      if ((this.raw.frame_size ?? 0) > maxFrameSize)
        this.#fail("it sent a frame that is too large");
    });
    return socket;
  }

  #listen(): void {
    const told = (error: Condition | undefined, otherwise: string): void => {
      if (error?.condition === undefined) this.#fail(otherwise);
      else this.#refuse(error);
    };
    this.raw.on("connection_error", ({ error }: { error?: Condition }) =>
      told(error, "it closed the connection"),
    );
    this.raw.on("connection_close", () => {
      if (this.#closing) this.#gone.resolve();
      else told(this.raw.error, "it closed the connection");
    });
    this.raw.on("session_error", () => {});
    this.raw.on("session_close", ({ session }: { session: RawSession }) => {
      if (session === this.session) told(session.error, "it ended the session");
    });
    // Those of links have their own listeners; what comes after those were removed is nobody's.
    for (const name of ["receiver_error", "receiver_close", "sender_error", "sender_close"])
      this.raw.on(name, () => {});
    this.raw.on("protocol_error", (error: unknown) =>
      this.#fail(`what it says is not AMQP 1.0 (${messageOf(error)})`, error),
    );
    this.raw.on("error", (error: unknown) => this.#fail(messageOf(error), error));
    this.raw.on("disconnected", ({ error }: { error?: unknown }) =>
      this.#fail(error === undefined ? "it closed the connection" : messageOf(error), error),
    );
  }

  /** The server says why. */
  #refuse(error: Condition): void {
    const text = conditionText(error);
    // The driver has no other name for what SASL refuses.
    const login = /^(Failed to authenticate|No suitable mechanism)/.test(error.description ?? "");
    const why = login
      ? `it does not let this user in with SASL ${this.#options.address.sasl.mechanism} (${error.description})`
      : text;
    this.#end(
      new BindingError(login ? "unauthenticated" : reasonOf(error.condition), this.#lost(why), {
        effect: this.#isOpen ? "ambiguous" : "unsent",
        systemCode: error.condition,
      }),
    );
  }

  #fail(why: string, cause?: unknown): void {
    const code =
      cause instanceof Error && "code" in cause && typeof cause.code === "string"
        ? cause.code
        : undefined;
    this.#end(
      new BindingError("unavailable", this.#lost(why), {
        effect: this.#isOpen ? "ambiguous" : "unsent",
        cause,
        systemCode: code,
      }),
    );
  }

  #lost(why: string): string {
    return this.#isOpen
      ? `the connection to the AMQP server at ${this.#where} was lost: ${why}`
      : `${unusable(this.#where)}: ${why}`;
  }

  #end(reason: BindingError): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    this.#socket?.destroy();
    // Ends the driver's timers.
    this.raw._disconnected();
    this.#gone.resolve();
    this.#opened.reject(reason);
    for (const listener of this.#onEnd) listener(reason);
    this.#onEnd.clear();
    if (this.#isOpen && !this.#closing) this.#options.lost(reason);
  }
}

function unusable(where: string): string {
  return `the AMQP server at ${where} cannot be used`;
}
