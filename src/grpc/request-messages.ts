import { withoutRest } from "../memory/byte-parts.ts";

type Waiter = {
  readonly resolve: (result: IteratorResult<Uint8Array, undefined>) => void;
  readonly reject: (reason: unknown) => void;
};

type Message = { readonly bytes: Uint8Array; readonly isCompressed: boolean };

/** What a queue of messages asks of its call. */
export type MessageSource = {
  /** More messages are wanted now. */
  resume(): void;
  /** So many bytes wait to be taken; negative ones wait no more. */
  hold(bytes: number): void;
  /** Unpacks a compressed message; what it rejects with ends the messages. */
  unpack(message: Uint8Array): Promise<Uint8Array>;
};

/** So many bytes are read ahead of who takes the messages; then the other side has to wait. */
const readAhead = 64 * 1024;
/** What a message costs beside its bytes. */
const overhead = 64;

/** So many taken messages are kept in the queue before it is cut. */
const mostTaken = 32;

const done = { done: true, value: undefined } as const;

/** The messages of one side of a stream, to be taken once, in order. */
export class RequestMessages implements AsyncIterableIterator<Uint8Array, undefined> {
  readonly #source: MessageSource;
  #queue: Message[] = [];
  /** Of `#queue`, what was taken is before this. */
  #at = 0;
  /** In `#queue`, the overhead of each message included. */
  #bytes = 0;
  readonly #waiters: Waiter[] = [];
  #isEnded = false;
  #isRefused = false;
  #failure: Error | undefined;

  constructor(source: MessageSource) {
    this.#source = source;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** False: the other side should wait until {@link MessageSource.resume} is called. */
  get hasRoom(): boolean {
    return this.#bytes < readAhead;
  }

  /** Adds a message. */
  add(bytes: Uint8Array, isCompressed: boolean): void {
    if (this.#isRefused || this.#failure !== undefined) return;
    const waiter = this.#waiters.shift();
    if (waiter === undefined) {
      this.#queue.push({ bytes: withoutRest(bytes), isCompressed });
      this.#bytes += bytes.length + overhead;
      this.#source.hold(bytes.length + overhead);
    } else {
      this.#hand({ bytes, isCompressed }).then(waiter.resolve, waiter.reject);
    }
  }

  /** There are no more messages. */
  end(): void {
    this.#isEnded = true;
    for (const { resolve } of this.#waiters.splice(0)) resolve(done);
  }

  /** There are no more messages, and that is a failure. What waits to be taken is dropped. */
  fail(failure: Error): void {
    this.#failure ??= failure;
    this.#drop();
    for (const { reject } of this.#waiters.splice(0)) reject(failure);
  }

  next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const message = this.#queue[this.#at];
    if (message !== undefined) {
      this.#take(message);
      return this.#hand(message);
    }
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#isEnded || this.#isRefused) return Promise.resolve(done);
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  /** No more messages are wanted: what still comes is dropped. */
  return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.#isRefused = true;
    this.#drop();
    for (const { resolve } of this.#waiters.splice(0)) resolve(done);
    this.#source.resume();
    return Promise.resolve(done);
  }

  #take(message: Message): void {
    const hadRoom = this.hasRoom;
    const cost = message.bytes.length + overhead;
    this.#bytes -= cost;
    this.#source.hold(-cost);
    this.#at += 1;
    // Where there are always some, what was taken must not stay either.
    if (this.#at === this.#queue.length || this.#at === mostTaken) {
      this.#queue = this.#queue.slice(this.#at);
      this.#at = 0;
    }
    if (!hadRoom && this.hasRoom) this.#source.resume();
  }

  #hand({ bytes, isCompressed }: Message): Promise<IteratorResult<Uint8Array, undefined>> {
    if (!isCompressed) return Promise.resolve({ done: false, value: bytes });
    return this.#source.unpack(bytes).then((value) => ({ done: false, value }));
  }

  #drop(): void {
    this.#source.hold(-this.#bytes);
    this.#bytes = 0;
    this.#queue = [];
    this.#at = 0;
  }
}
