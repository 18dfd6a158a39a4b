import type { MessagePort } from "node:worker_threads";
import { BindingError, type Effect, type Reason } from "../errors.ts";

/** Methods by name. Arguments and results are what structured clones carry. */
export type Api = Readonly<Record<string, (...args: never[]) => unknown>>;

/** The methods as this side has them: told when the other side wants the result no more, or is gone. */
export type Handlers<Mine extends Api> = {
  readonly [Name in keyof Mine]: (
    ...args: [...Parameters<Mine[Name]>, signal: AbortSignal]
  ) => ReturnType<Mine[Name]> | Promise<Awaited<ReturnType<Mine[Name]>>>;
};

/** What is handed over in place of a copy. */
export type TransferListItem = ArrayBuffer | MessagePort;

/** A `Worker`, a `parentPort` or a `MessagePort`. */
export type PeerPort = {
  postMessage(value: unknown, transfer: TransferListItem[]): void;
  on(event: "message", listener: (value: unknown) => void): unknown;
};

export type CallOptions = {
  /** Aborted when the result is wanted no more: the call rejects with the reason then. */
  readonly signal?: AbortSignal;
  readonly transfer?: readonly TransferListItem[];
};

type Failure = {
  readonly reason: Reason;
  readonly message: string;
  readonly effect: Effect;
  readonly systemCode: string | undefined;
  readonly retryAfter: number | undefined;
  readonly metadata: Record<string, string> | undefined;
};

type Message =
  | { readonly kind: "call"; readonly id: number; readonly name: string; readonly args: unknown[] }
  | { readonly kind: "cancel"; readonly id: number }
  | { readonly kind: "value"; readonly id: number; readonly value: unknown }
  | { readonly kind: "failure"; readonly id: number; readonly failure: Failure };

type Waiting = PromiseWithResolvers<unknown> & { readonly release: () => void };

/** Calls both ways between two threads. What is sent in one turn leaves together. */
export class Peer<Theirs extends Api, Mine extends Api> {
  readonly #port: PeerPort;
  readonly #handlers: Handlers<Mine>;
  readonly #waiting = new Map<number, Waiting>();
  readonly #running = new Map<number, AbortController>();
  #outbox: Message[] = [];
  #transfer: TransferListItem[] = [];
  #last = 0;
  #ended: BindingError | undefined;

  constructor(port: PeerPort, handlers: Handlers<Mine>) {
    this.#port = port;
    this.#handlers = handlers;
    port.on("message", (messages) => {
      for (const message of messages as Message[]) this.#receive(message);
    });
  }

  /** Rejects with a `BindingError`, as the other side threw it, or `unavailable` where that is gone. */
  call<Name extends keyof Theirs & string>(
    name: Name,
    args: Parameters<Theirs[Name]>,
    { signal, transfer = [] }: CallOptions = {},
  ): Promise<Awaited<ReturnType<Theirs[Name]>>> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const id = ++this.#last;
    const waiting = Promise.withResolvers<unknown>();
    const cancel = (): void => {
      if (!this.#waiting.delete(id)) return;
      this.#send({ kind: "cancel", id });
      waiting.reject(BindingError.from(signal?.reason, "cancelled"));
    };
    const release = (): void => signal?.removeEventListener("abort", cancel);
    this.#waiting.set(id, { ...waiting, release });
    this.#send({ kind: "call", id, name, args }, transfer);
    if (signal?.aborted === true) cancel();
    else signal?.addEventListener("abort", cancel, { once: true });
    return waiting.promise as Promise<Awaited<ReturnType<Theirs[Name]>>>;
  }

  /** The same where nobody waits for a result. */
  tell<Name extends keyof Theirs & string>(
    name: Name,
    args: Parameters<Theirs[Name]>,
    transfer: readonly TransferListItem[] = [],
  ): void {
    if (this.#ended === undefined) this.#send({ kind: "call", id: 0, name, args }, transfer);
  }

  /** The other side is gone: what was asked of it fails, and what it asked for is wanted no more. */
  end(reason: string): void {
    if (this.#ended !== undefined) return;
    this.#ended = new BindingError("unavailable", reason, { effect: "ambiguous" });
    for (const { reject, release } of this.#waiting.values()) {
      release();
      reject(this.#ended);
    }
    this.#waiting.clear();
    for (const running of this.#running.values()) running.abort(this.#ended);
  }

  #send(message: Message, transfer: readonly TransferListItem[] = []): void {
    if (this.#outbox.length === 0) queueMicrotask(() => this.#post());
    this.#outbox.push(message);
    this.#transfer.push(...transfer);
  }

  #post(): void {
    const [messages, transfer] = [this.#outbox, this.#transfer];
    this.#outbox = [];
    this.#transfer = [];
    if (this.#ended !== undefined) return;
    try {
      this.#port.postMessage(messages, transfer);
    } catch {
      // One that cannot be cloned does not take the others along.
      for (const message of messages) this.#postAlone(message);
    }
  }

  /** Buffers are copied: which of them belong to it is not known any more. */
  #postAlone(message: Message): void {
    try {
      this.#port.postMessage([message], []);
    } catch (error) {
      if (message.kind === "call") this.#settle(message.id, ({ reject }) => reject(error));
      else if (message.kind === "value")
        this.#send({ kind: "failure", id: message.id, failure: failureOf(error) });
    }
  }

  #receive(message: Message): void {
    const { id } = message;
    if (message.kind === "call") void this.#run(message);
    else if (message.kind === "cancel")
      this.#running.get(id)?.abort(new BindingError("cancelled", "cancelled by the caller"));
    else if (message.kind === "value") this.#settle(id, ({ resolve }) => resolve(message.value));
    else this.#settle(id, ({ reject }) => reject(errorOf(message.failure)));
  }

  async #run({ id, name, args }: Extract<Message, { kind: "call" }>): Promise<void> {
    const handle = this.#handlers[name] as unknown as (...args: unknown[]) => unknown;
    if (id === 0) return void (await handle(...args, never));
    const running = new AbortController();
    this.#running.set(id, running);
    try {
      const value = await handle(...args, running.signal);
      this.#send({ kind: "value", id, value });
    } catch (error) {
      this.#send({ kind: "failure", id, failure: failureOf(error) });
    } finally {
      this.#running.delete(id);
    }
  }

  #settle(id: number, settle: (waiting: Waiting) => void): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    waiting.release();
    settle(waiting);
  }
}

const never = new AbortController().signal;

function failureOf(thrown: unknown): Failure {
  const { reason, message, effect, systemCode, retryAfter, metadata } = BindingError.from(thrown);
  return { reason, message, effect, systemCode, retryAfter, metadata };
}

function errorOf({ reason, message, metadata, ...rest }: Failure): BindingError {
  return new BindingError(reason, message, { ...rest, ...(metadata && { metadata }) });
}

/** The bytes alone in memory of their own, to be handed over: a view would take along what it is a part of. */
export function ownBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}
