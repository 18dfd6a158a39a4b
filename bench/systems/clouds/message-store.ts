import { createHash } from "node:crypto";

/** A message of a queue. */
export type StoredMessage = {
  readonly id: string;
  readonly payload: Buffer;
  /** Of the payload, in hex: what the vendors' clients compare. */
  readonly md5: string;
};

/** One queue or subscription: what waits, and what was given out. It gives nothing out twice by itself. */
export class MessageStore {
  #waiting: StoredMessage[] = [];
  #next = 0;
  #stored = 0;
  readonly #out = new Map<string, StoredMessage>();
  readonly #readers = new Set<() => void>();

  /** How many are not deleted. */
  get size(): number {
    return this.#waiting.length - this.#next + this.#out.size;
  }

  /** How many were given out and are not deleted. */
  get out(): number {
    return this.#out.size;
  }

  /** How many were ever stored. */
  get stored(): number {
    return this.#stored;
  }

  add(payload: Buffer): StoredMessage {
    const md5 = createHash("md5").update(payload).digest("hex");
    const message = { id: String(++this.#stored), payload, md5 };
    this.#waiting.push(message);
    return message;
  }

  /** Tells who waits for messages. */
  wake(): void {
    for (const reader of this.#readers) reader();
  }

  take(most: number): StoredMessage[] {
    const end = Math.min(this.#waiting.length, this.#next + most);
    const taken = this.#waiting.slice(this.#next, end);
    this.#next = end;
    for (const message of taken) this.#out.set(message.id, message);
    if (this.#next === this.#waiting.length) {
      this.#waiting = [];
      this.#next = 0;
    }
    return taken;
  }

  /** As `take`, once there is one, or so many milliseconds later. */
  async takeWithin(most: number, milliseconds: number): Promise<StoredMessage[]> {
    const taken = this.take(most);
    if (taken.length > 0 || milliseconds <= 0) return taken;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, milliseconds);
    const forget = this.onMessages(resolve);
    await promise;
    clearTimeout(timer);
    forget();
    return this.take(most);
  }

  /** Calls back each time there may be more. Returns how to end that. */
  onMessages(reader: () => void): () => void {
    this.#readers.add(reader);
    return () => void this.#readers.delete(reader);
  }

  delete(id: string): void {
    this.#out.delete(id);
  }

  giveBack(id: string): void {
    const message = this.#out.get(id);
    if (message === undefined) return;
    this.#out.delete(id);
    this.#waiting.push(message);
    this.wake();
  }
}

const stores = new Map<string, MessageStore>();

/** The queue of that name, which is there once it is asked for. */
export function storeOf(name: string): MessageStore {
  let store = stores.get(name);
  if (store === undefined) stores.set(name, (store = new MessageStore()));
  return store;
}
