import { abortFailure } from "../abortable.ts";
import { BindingError } from "../errors.ts";
import type { AmqpConnection } from "./connection.ts";
import type { Condition, RawMessageSender, RawSession } from "./driver.ts";
import { refusal } from "./failures.ts";

/** What a node answered. */
export type Reply = {
  readonly properties: Readonly<Record<string, unknown>>;
  readonly body: unknown;
};

type Waiting = {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (reason: BindingError) => void;
};

/** Milliseconds. A connection whose node does not answer within it has lost something on its way. */
const answerTimeout = 10_000;

/** Requests to a node such as `$cbs` or `$management`, and its answers: a pair of links in a session of their own. */
export class RequestLink {
  readonly #connection: AmqpConnection;
  readonly #address: string;
  readonly #replyTo = `cufflink-${crypto.randomUUID()}`;
  readonly #session: RawSession;
  readonly #sender: RawMessageSender;
  readonly #waiting = new Map<string, Waiting>();
  readonly #opened = Promise.withResolvers<void>();
  readonly #forget: () => void;
  #ended: BindingError | undefined;
  #next = 0;

  private constructor(connection: AmqpConnection, address: string) {
    this.#connection = connection;
    this.#address = address;
    this.#opened.promise.catch(() => {});
    this.#session = connection.beginSession();
    this.#session.on("session_error", () => {});
    this.#session.on("session_close", () => this.#detached(this.#session.error));
    const receiver = this.#session.open_receiver({
      name: `${this.#replyTo}-answers`,
      source: { address },
      target: { address: this.#replyTo },
      credit_window: 50,
    });
    this.#sender = this.#session.open_sender({
      name: `${this.#replyTo}-requests`,
      source: { address: this.#replyTo },
      target: { address },
    }) as unknown as RawMessageSender;
    receiver.on("message", ({ message }: { message: RawMessage }) => this.#answered(message));
    receiver.on("receiver_error", () => this.#detached(receiver.error));
    receiver.on("receiver_close", () => this.#detached(receiver.error));
    this.#sender.on("sender_error", () => this.#detached(this.#sender.error));
    this.#sender.on("sender_close", () => this.#detached(this.#sender.error));
    for (const outcome of ["rejected", "released", "modified", "accepted", "settled"])
      this.#sender.on(outcome, () => {});
    this.#sender.once("sendable", () => {
      if (receiver.source !== null && receiver.source !== undefined) this.#opened.resolve();
      else receiver.once("receiver_open", () => this.#opened.resolve());
    });
    this.#forget = connection.onEnd((reason) => this.#end(reason));
  }

  /** Resolves once the node takes requests. */
  static async open(
    connection: AmqpConnection,
    address: string,
    signal: AbortSignal,
  ): Promise<RequestLink> {
    const link = new RequestLink(connection, address);
    await link.#within(link.#opened.promise, signal);
    return link;
  }

  get ended(): BindingError | undefined {
    return this.#ended;
  }

  /** Sends a request, and resolves to its answer, whatever that says. */
  async request(
    properties: Readonly<Record<string, unknown>>,
    body: unknown,
    signal: AbortSignal,
  ): Promise<Reply> {
    if (this.#ended !== undefined) throw this.#ended;
    const id = `${this.#replyTo}-${this.#next++}`;
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    this.#waiting.set(id, { resolve, reject });
    this.#sender.send({
      message_id: id,
      reply_to: this.#replyTo,
      application_properties: properties,
      body,
    });
    try {
      return await this.#within(promise, signal);
    } finally {
      this.#waiting.delete(id);
    }
  }

  close(): void {
    if (this.#ended === undefined && this.#connection.ended === undefined) this.#session.close();
    this.#end(new BindingError("unavailable", "the link was closed", { effect: "unsent" }));
  }

  #answered({ correlation_id: id, application_properties: properties, body }: RawMessage): void {
    this.#waiting.get(String(id))?.resolve({ properties: properties ?? {}, body });
  }

  #detached(error: Condition | undefined): void {
    const what = `${this.#address} cannot be asked`;
    this.#end(
      error?.condition === undefined
        ? new BindingError("unavailable", `${what}: the server closed the link`, {
            effect: "unsent",
          })
        : refusal(what, error),
    );
  }

  #end(reason: BindingError): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    this.#forget();
    this.#opened.reject(reason);
    for (const { reject } of this.#waiting.values()) reject(reason);
    this.#waiting.clear();
  }

  async #within<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
    const what = `asking ${this.#address}`;
    const { promise: late, reject } = Promise.withResolvers<never>();
    const giveUp = (): void => reject(abortFailure(what, signal.reason, "ambiguous"));
    const timer = setTimeout(() => {
      reject(
        new BindingError("deadline_exceeded", `${what}: the server does not answer`, {
          effect: "ambiguous",
        }),
      );
      this.#connection.fail(`${this.#address} does not answer`);
    }, answerTimeout);
    if (signal.aborted) giveUp();
    signal.addEventListener("abort", giveUp);
    try {
      return await Promise.race([promise, late]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", giveUp);
    }
  }
}

type RawMessage = {
  readonly correlation_id?: unknown;
  readonly application_properties?: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
};
