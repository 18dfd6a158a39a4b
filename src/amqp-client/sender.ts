import { abortFailure } from "../abortable.ts";
import { BindingError } from "../errors.ts";
import type { Effect } from "../errors.ts";
import type { AmqpConnection } from "./connection.ts";
import type { RawDelivery, RawSender } from "./driver.ts";
import { refusal } from "./failures.ts";

/** What is full or busy now may not be later, and nothing was stored; who ran out of time does not know. */
const rejections: Readonly<Record<string, Effect>> = {
  "amqp:resource-limit-exceeded": "unsent",
  "com.microsoft:server-busy": "unsent",
  "com.microsoft:timeout": "ambiguous",
};

type Waiting = {
  readonly message: Buffer;
  readonly signal: AbortSignal;
  readonly settle: (problem?: BindingError) => void;
};

/** A link that sends to one address. A message is handed to the driver only when the server has given credit for it. */
export class SenderLink {
  readonly #address: string;
  readonly #connection: AmqpConnection;
  readonly #raw: RawSender;
  readonly #waiting = new Set<Waiting>();
  /** Those that the server has to answer, by the driver's delivery. */
  readonly #sent = new Map<number, Waiting>();
  /** Handed to the driver and not written yet. */
  #unwritten: number[] = [];
  readonly #forget: () => void;
  #isOpen = false;
  #ended: BindingError | undefined;

  constructor(connection: AmqpConnection, address: string, capability: string | undefined) {
    this.#connection = connection;
    this.#address = address;
    this.#raw = connection.session.open_sender({
      name: `cufflink-${crypto.randomUUID()}`,
      target: { address, ...(capability === undefined ? {} : { capabilities: [capability] }) },
      // Else the driver tells a modified message as a released one, too.
      treat_modified_as_released: false,
    });
    this.#listen();
    this.#forget = connection.onEnd((reason) => this.#end(reason));
  }

  /** Nothing is under way. */
  get idle(): boolean {
    return this.#waiting.size === 0 && this.#sent.size === 0;
  }

  get ended(): BindingError | undefined {
    return this.#ended;
  }

  /** Resolves once the server has accepted the message. */
  async send(message: Buffer, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const giveUp = (): void => entry.settle(this.#late(entry, signal));
    const entry: Waiting = {
      message,
      signal,
      settle: (problem) => {
        this.#waiting.delete(entry);
        signal.removeEventListener("abort", giveUp);
        if (problem === undefined) resolve();
        else reject(problem);
      },
    };
    if (this.#ended !== undefined) throw unsent(this.#ended);
    this.#waiting.add(entry);
    if (signal.aborted) giveUp();
    else signal.addEventListener("abort", giveUp);
    this.#pump();
    return promise;
  }

  close(): void {
    if (this.#ended === undefined) this.#raw.close();
    this.#end(new BindingError("unavailable", "the link was closed", { effect: "unsent" }));
  }

  #listen(): void {
    const raw = this.#raw;
    raw.on("sender_open", () => {
      // A refused link is opened without a target, and closed with the reason right after.
      if (raw.target === null || raw.target === undefined) return;
      this.#isOpen = true;
      this.#pump();
    });
    raw.on("sendable", () => this.#pump());
    raw.on("sender_error", () => this.#detached());
    raw.on("sender_close", () => this.#detached());
    const answered =
      (problemOf: (delivery: RawDelivery) => BindingError | undefined) =>
      ({ delivery }: { delivery: RawDelivery }): void => {
        const entry = this.#sent.get(delivery.id);
        if (!delivery.remote_settled) delivery.update(true);
        this.#sent.delete(delivery.id);
        entry?.settle(problemOf(delivery));
        this.#pump();
      };
    raw.on(
      "accepted",
      answered(() => undefined),
    );
    raw.on(
      "rejected",
      answered(({ remote_state }) => this.#rejected(remote_state)),
    );
    raw.on(
      "released",
      answered(() => this.#unavailable("released it: nobody takes it now", "released", "unsent")),
    );
    raw.on(
      "modified",
      answered(({ remote_state }) => this.#modified(remote_state)),
    );
    raw.on(
      "settled",
      answered(() => this.#unavailable("settled it without saying how", "settled", "ambiguous")),
    );
  }

  #pump(): void {
    if (!this.#isOpen || this.#ended !== undefined) return;
    for (const entry of this.#waiting) {
      const tooLarge = this.#tooLarge(entry.message);
      if (tooLarge !== undefined) {
        entry.settle(tooLarge);
        continue;
      }
      const credit = this.#raw.credit - this.#unwritten.length;
      if (credit <= 0 || this.#raw.session.outgoing.available() === 0) return;
      this.#waiting.delete(entry);
      this.#connection.shareWrite();
      const { id } = this.#raw.send(entry.message, undefined, 0);
      this.#sent.set(id, entry);
      this.#unwritten.push(id);
      // The driver writes at the end of the turn.
      if (this.#unwritten.length === 1) setImmediate(() => this.#written());
    }
  }

  #written(): void {
    const next = this.#raw.session.outgoing.next_pending_delivery;
    this.#unwritten = this.#unwritten.filter((id) => id >= next);
    if (this.#unwritten.length > 0 && this.#ended === undefined) {
      // The session's window is full.
      setTimeout(() => this.#written(), 10).unref();
    }
    this.#pump();
  }

  #tooLarge(message: Buffer): BindingError | undefined {
    const { max_message_size: most } = this.#raw;
    if (typeof most !== "number" || most === 0 || message.length <= most) return undefined;
    return new BindingError(
      "invalid_argument",
      `failed to send message: it has ${message.length} bytes, and ${this.#address} takes ${most}`,
      { systemCode: "amqp:link:message-size-exceeded" },
    );
  }

  #late(entry: Waiting, signal: AbortSignal): BindingError {
    if (!this.#waiting.has(entry))
      return abortFailure("failed to send message", signal.reason, "ambiguous");
    const late = abortFailure("failed to send message", signal.reason, "unsent");
    if (!this.#isOpen || late.reason !== "deadline_exceeded") return late;
    return new BindingError(
      "resource_exhausted",
      `failed to send message: the server gives no credit for ${this.#address}; its queue may be full`,
      { effect: "unsent", systemCode: "credit", cause: signal.reason },
    );
  }

  #rejected(state: RawDelivery["remote_state"]): BindingError {
    const error = state?.error ?? {};
    const said = refusal(
      "failed to send message: the server rejected it",
      error,
      rejections[error.condition ?? ""] ?? "rejected",
    );
    if (error.condition !== undefined) return said;
    return new BindingError("failed_precondition", said.message, { systemCode: "rejected" });
  }

  #modified(state: RawDelivery["remote_state"]): BindingError {
    if (state?.undeliverable_here === true) {
      return new BindingError(
        "failed_precondition",
        `failed to send message: ${this.#address} cannot take it (modified, undeliverable-here)`,
        { systemCode: "modified" },
      );
    }
    // A delivery that failed may have been tried.
    const failed = state?.delivery_failed === true;
    return this.#unavailable(
      failed ? "could not deliver it" : "gave it back",
      "modified",
      failed ? "ambiguous" : "unsent",
    );
  }

  #unavailable(why: string, systemCode: string, effect: "unsent" | "ambiguous"): BindingError {
    return new BindingError("unavailable", `failed to send message: the server ${why}`, {
      effect,
      systemCode,
    });
  }

  #detached(): void {
    const { error } = this.#raw;
    const what = `${this.#address} cannot be sent to`;
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
    for (const entry of [...this.#waiting]) entry.settle(unsent(reason));
    for (const entry of this.#sent.values()) entry.settle(ambiguous(reason));
    this.#sent.clear();
  }
}

function unsent({ reason, message, systemCode, cause }: BindingError): BindingError {
  return new BindingError(reason, message, { effect: "unsent", systemCode, cause });
}

function ambiguous({ reason, message, systemCode, cause }: BindingError): BindingError {
  return new BindingError(reason, message, { effect: "ambiguous", systemCode, cause });
}
