import { type EventHead, readEventHead } from "../wire/payload.ts";

/** What became of the events so far. */
export type Counts = {
  /** Different events that arrived. */
  readonly distinct: number;
  /** Arrivals of an event that had arrived before. */
  readonly duplicates: number;
  /** Events that arrived for the first time after a later one of their key. */
  readonly outOfOrder: number;
};

/** Notes which events arrived, and in what order those of each key did. Event i has key i mod keys, place ⌊i / keys⌋. */
export class EventCounter {
  readonly #keys: number;
  readonly #seen: Uint8Array;
  readonly #latest: Int32Array;
  readonly #head: EventHead = { key: 0, place: 0, stamp: 0 };
  #distinct = 0;
  #duplicates = 0;
  #outOfOrder = 0;

  constructor(keys: number, events: number) {
    this.#keys = keys;
    this.#seen = new Uint8Array(events);
    this.#latest = new Int32Array(keys).fill(-1);
  }

  get counts(): Counts {
    return {
      distinct: this.#distinct,
      duplicates: this.#duplicates,
      outOfOrder: this.#outOfOrder,
    };
  }

  get distinct(): number {
    return this.#distinct;
  }

  /**
   * Notes the event whose payload begins at the offset. Returns when it was meant to be sent, in microseconds; 0 when it
   * bears no time or is a duplicate. Throws when it is none of ours.
   */
  note(bytes: Uint8Array, offset: number): number {
    const head = this.#head;
    const index = readEventHead(bytes, offset, head) ? head.place * this.#keys + head.key : -1;
    if (index < 0 || index >= this.#seen.length || head.key >= this.#keys) {
      throw new Error(`an event that was never sent arrived: ${text(bytes, offset)}`);
    }
    if (this.#seen[index] === 1) {
      this.#duplicates++;
      return 0;
    }
    this.#seen[index] = 1;
    this.#distinct++;
    if (head.place < this.#latest[head.key]!) this.#outOfOrder++;
    else this.#latest[head.key] = head.place;
    return head.stamp;
  }
}

function text(bytes: Uint8Array, offset: number): string {
  return JSON.stringify(Buffer.from(bytes.subarray(offset, offset + 40)).toString("latin1"));
}
