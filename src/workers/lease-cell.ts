import { clock } from "../clock.ts";
import type { LeaseTerm } from "../fleet/lease-keeper.ts";
import { fromSharedTime, toSharedTime } from "./shared-time.ts";

const [epochAt, heldAt, timeOfDayAt, readsAt, storeClockAt] = [0, 1, 2, 3, 4] as const;
const places = 5;

/**
 * The term of a lease in memory that threads share: a worker looks at it before each dispatch and settlement, and sees at once
 * what the parent has renewed or lost. Times are whole microseconds, all of them rounded down.
 */
export class LeaseCell {
  readonly memory: SharedArrayBuffer;
  readonly #words: BigInt64Array<SharedArrayBuffer>;

  constructor(memory = new SharedArrayBuffer(places * BigInt64Array.BYTES_PER_ELEMENT)) {
    this.memory = memory;
    this.#words = new BigInt64Array(memory);
  }

  /** `undefined`: the lease is not this process's. `storeClock`: the store's time now, in milliseconds since 1970. */
  write(term: LeaseTerm | undefined, storeClock: number): void {
    if (term === undefined) return this.#set(heldAt, 0);
    // A worker that reads meanwhile goes by the earlier of two terms, or by an epoch that it was not told of.
    if (this.#epoch !== term.epoch) this.#set(heldAt, 0);
    Atomics.store(this.#words, epochAt, BigInt(term.epoch));
    this.#set(timeOfDayAt, term.heldUntilTimeOfDay);
    this.#set(readsAt, term.readsUntil === undefined ? 0 : toSharedTime(term.readsUntil));
    this.#set(storeClockAt, storeClock - toSharedTime(clock.elapsed()));
    this.#set(heldAt, toSharedTime(term.heldUntil));
  }

  /** How long the lease of that epoch is held from now on, in milliseconds; 0: it is not. */
  remaining(epoch: number): number {
    if (this.#epoch !== epoch) return 0;
    if (clock.now() >= this.#get(timeOfDayAt)) return 0;
    return Math.max(0, fromSharedTime(this.#get(heldAt)) - clock.elapsed());
  }

  /** How long its owner may read from now on, in milliseconds; 0: no more. */
  get readsFor(): number {
    const until = this.#get(readsAt);
    return until === 0 ? 0 : Math.max(0, fromSharedTime(until) - clock.elapsed());
  }

  /** The store's clock, in milliseconds since 1970; before it was told, this process's. */
  get storeTime(): number {
    const offset = this.#get(storeClockAt);
    return offset === 0 ? clock.now() : Math.floor(offset + toSharedTime(clock.elapsed()));
  }

  get #epoch(): number {
    return Number(Atomics.load(this.#words, epochAt));
  }

  #get(place: number): number {
    return Number(Atomics.load(this.#words, place)) / 1000;
  }

  #set(place: number, milliseconds: number): void {
    Atomics.store(this.#words, place, BigInt(Math.floor(milliseconds * 1000)));
  }
}
