import type { Msg, MsgHdrs, NatsConnection } from "@nats-io/transport-node";
import { abortable } from "../abortable.ts";
import { BindingError, messageOf } from "../errors.ts";
import { bytesOf } from "./headers.ts";
import { countIncoming, discard } from "./incoming.ts";
import type { MemoryShare } from "../memory/budget.ts";
import { loginOf, serversOf, tlsOf } from "./authentication.ts";
import type { Driver } from "./driver.ts";
import {
  apiFailure,
  callFailure,
  connectFailure,
  isNoResponders,
  type ApiError,
} from "./failures.ts";
import { apiPrefix } from "./jetstream.ts";
import type { NatsSettings } from "./settings.ts";

export type LinkOptions<Settings extends NatsSettings> = {
  readonly metadata: Settings;
  /** What the server calls this client in its own lists. */
  readonly name: string;
  readonly signal: AbortSignal;
  /** Counts the message that comes in; `undefined`: nothing does. */
  readonly memory: MemoryShare | undefined;
  readonly lost: (reason: BindingError) => void;
  readonly hide: ((secret: string) => void) | undefined;
  /** Of the attempt at each server, in milliseconds. Default 10,000. */
  readonly connectTimeout?: number;
  /** How often the connection is checked, in milliseconds. Default 5,000. */
  readonly pingInterval?: number;
};

/** How many checks of the connection may be unanswered. */
const mostUnanswered = 2;
const closeTimeout = 2_000;

/** A connection to one of the servers, which never reconnects by itself. */
export class Link<Settings extends NatsSettings = NatsSettings> implements AsyncDisposable {
  readonly driver: Driver;
  readonly metadata: Settings;
  readonly #connection: NatsConnection;
  readonly #lost: (reason: BindingError) => void;
  readonly #gone = Promise.withResolvers<never>();
  /** The last refusal of a message, by its subject. */
  readonly #violations = new Map<string, { readonly error: Error; readonly at: number }>();
  /** The round trip that all share who send in one turn of the event loop. */
  #roundTrip: Promise<void> | undefined;
  /** Told each refusal by the server of a subject that is sent to or subscribed to. */
  onViolation: ((error: Error, subject: string) => void) | undefined;
  #ended: BindingError | undefined;
  #isClosing = false;

  private constructor(driver: Driver, connection: NatsConnection, options: LinkOptions<Settings>) {
    this.driver = driver;
    this.metadata = options.metadata;
    this.#connection = connection;
    this.#lost = options.lost;
    this.#gone.promise.catch(() => {});
    void this.#watch();
    void connection.closed().then((error) => this.#end(error ?? undefined));
  }

  static async open<Settings extends NatsSettings>(
    driver: Driver,
    options: LinkOptions<Settings>,
  ): Promise<Link<Settings>> {
    const { metadata, name, signal, hide, memory } = options;
    const { connectTimeout = 10_000, pingInterval = 5_000 } = options;
    const { servers, login, useTls } = serversOf(metadata.servers);
    const own = await loginOf(driver, metadata, hide);
    const chosen = Object.keys(own).length > 0 ? own : login;
    for (const secret of [login.token, login.pass]) if (secret) hide?.(secret);
    const tls = tlsOf(metadata, useTls);
    const where = `connecting to NATS at ${servers.join(", ")}`;
    signal.throwIfAborted();
    const connecting = driver.connect({
      ...{ servers, name, ...chosen, reconnect: false, timeout: connectTimeout },
      ...{ pingInterval, maxPingOut: mostUnanswered, ignoreClusterUpdates: true },
      ...{ inboxPrefix: metadata.inboxPrefix, noAsyncTraces: true },
      ...(tls === undefined ? {} : { tls }),
    });
    try {
      const connection = await unlessAborted(connecting, signal);
      if (memory !== undefined) countIncoming(connection, memory);
      return new Link(driver, connection, options);
    } catch (error) {
      connecting.then((late) => late.close()).catch(() => {});
      throw connectFailure(error, where);
    }
  }

  /** Set once the connection is gone. */
  get ended(): BindingError | undefined {
    return this.#ended;
  }

  /** The most bytes of a message, headers included. */
  get largestMessage(): number {
    return this.#connection.info?.max_payload ?? 1024 * 1024;
  }

  get serverVersion(): string {
    return this.#connection.info?.version ?? "";
  }

  get serverName(): string {
    return this.#connection.info?.server_name ?? "";
  }

  /** How many servers the cluster says it has; 1 without a cluster. */
  get servers(): number {
    return this.#connection.info?.connect_urls?.length ?? 1;
  }

  /** Names the servers and the user, for those who keep something beyond the connection; without secrets. */
  get identity(): string {
    const { servers: texts, user, domain } = this.metadata;
    const { servers, login } = serversOf(texts);
    return JSON.stringify([servers, user ?? login.user, domain]);
  }

  /** Writes a message down for the server; {@link flush} tells whether it has it. */
  publish(subject: string, data?: Uint8Array | string, reply?: string, headers?: MsgHdrs): void {
    if (this.#ended !== undefined) throw unsent(this.#ended);
    try {
      if (reply === undefined && headers === undefined) this.#connection.publish(subject, data);
      else
        this.#connection.publish(subject, data, {
          ...(reply === undefined ? {} : { reply }),
          ...(headers === undefined ? {} : { headers }),
        });
    } catch (error) {
      throw callFailure(error, `sending to ${subject}`);
    }
  }

  /** Sends a message, and waits until the server has read it and would have refused it. */
  async send(
    subject: string,
    data: Uint8Array,
    headers: MsgHdrs | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    this.#checkSize(data, headers);
    const began = performance.now();
    this.publish(subject, data, undefined, headers);
    this.#roundTrip ??= Promise.resolve().then(() => {
      this.#roundTrip = undefined;
      return this.flush(AbortSignal.timeout(this.metadata.timeout));
    });
    await unlessAborted(this.#roundTrip, signal);
    const refusal = this.#violations.get(subject);
    if (refusal !== undefined && refusal.at >= began)
      throw callFailure(refusal.error, `sending to ${subject}`);
  }

  /** Sends a request and waits for its answer. Rejects with what the driver throws; see `callFailure`. */
  async request(
    subject: string,
    data: Uint8Array | string,
    options: { timeout?: number; headers?: MsgHdrs | undefined; signal?: AbortSignal } = {},
  ): Promise<Msg> {
    const { timeout = this.metadata.timeout, headers, signal } = options;
    if (this.#ended !== undefined) throw unsent(this.#ended);
    if (typeof data !== "string") this.#checkSize(data, headers);
    signal?.throwIfAborted();
    const asked = this.#connection.request(subject, data, {
      timeout,
      ...(headers === undefined ? {} : { headers }),
    });
    return unlessAborted(asked, signal);
  }

  /** A request to JetStream, whose errors are thrown. */
  async api<Result>(subject: string, body: object | undefined, what: string): Promise<Result> {
    const { domain } = this.metadata;
    const data = body === undefined ? "" : JSON.stringify(body);
    let answer: Msg;
    try {
      answer = await this.request(`${apiPrefix(this.metadata)}.${subject}`, data);
    } catch (error) {
      if (isNoResponders(error)) {
        const domainHint = domain ? `, or there is no domain ${domain}` : "";
        throw new BindingError(
          "unavailable",
          `${what}: the server has no JetStream${domainHint}; enable it (jetstream {} in its configuration, and for the account)`,
          { effect: "unsent", systemCode: "503" },
        );
      }
      throw callFailure(error, what);
    }
    const result = answer.json<Result & { error?: ApiError }>();
    if (result.error !== undefined) throw apiFailure(result.error, what);
    return result;
  }

  /** Subscribes; `ended` is called when the server does not allow it. */
  subscribe(
    subject: string,
    received: (message: Msg) => void,
    refused: (error: Error) => void,
  ): { drain(): Promise<void> } {
    return this.#connection.subscribe(subject, {
      callback: (error, message) => {
        if (error) refused(error);
        else received(message);
      },
    });
  }

  /** Resolves once the server has read all that was sent before. */
  async flush(signal?: AbortSignal): Promise<void> {
    if (this.#ended !== undefined) throw this.#ended;
    await unlessAborted(Promise.race([this.#connection.flush(), this.#gone.promise]), signal).catch(
      (error: unknown) => {
        throw this.#ended ?? callFailure(error, "waiting for the server");
      },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosing = true;
    if (this.#ended === undefined) await within(closeTimeout, this.flush());
    await within(closeTimeout, this.#connection.close());
    discard(this.#connection);
  }

  #checkSize(data: Uint8Array, headers: MsgHdrs | undefined): void {
    const size = data.length + (headers === undefined ? 0 : bytesOf(headers));
    if (size <= this.largestMessage) return;
    throw new BindingError(
      "invalid_argument",
      `the message has ${size} bytes, and the server takes ${this.largestMessage} (max_payload)`,
    );
  }

  async #watch(): Promise<void> {
    for await (const status of this.#connection.status()) {
      // The driver itself may wait for a socket that takes no more.
      if (status.type === "staleConnection") this.#end(new Error("it does not answer"));
      if (status.type !== "error") continue;
      const { error } = status as { error: Error & { subject?: string } };
      const { subject } = error;
      if (error.name !== "PermissionViolationError" || subject === undefined) continue;
      this.#violations.delete(subject);
      this.#violations.set(subject, { error, at: performance.now() });
      const [oldest = ""] = this.#violations.keys();
      if (this.#violations.size > 100) this.#violations.delete(oldest);
      this.onViolation?.(error, subject);
    }
  }

  #end(error: Error | undefined): void {
    if (this.#ended !== undefined) return;
    const why = error === undefined ? "the server closed it" : messageOf(error);
    const isLogin = error !== undefined && /Authoriz|Authentic/.test(error.name);
    this.#ended = new BindingError(
      isLogin ? "unauthenticated" : "unavailable",
      `the connection to NATS is gone: ${why}`,
      { effect: "ambiguous", cause: error },
    );
    this.#gone.reject(this.#ended);
    if (!this.#isClosing) this.#lost(this.#ended);
  }
}

function unsent({ reason, message }: BindingError): BindingError {
  return new BindingError(reason, message, { effect: "unsent" });
}

/** What was sent may still be done once the caller does not wait for it any more. */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return abortable(promise, signal, () => {
    const reason: unknown = signal.reason;
    const isTimeout = reason instanceof Error && reason.name === "TimeoutError";
    const text = isTimeout ? "no answer in time" : "the caller gave up waiting";
    return new BindingError(isTimeout ? "deadline_exceeded" : "cancelled", text, {
      effect: "ambiguous",
    });
  });
}

async function within(milliseconds: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, milliseconds)));
  await Promise.race([promise.catch(() => {}), late]);
  clearTimeout(timer);
}
