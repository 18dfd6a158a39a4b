import type { ConcurrencyLimit } from "../runtime/concurrency.ts";

/** Where things are in the memory that the workers share: the places that are used, and for each worker these. */
const usedAt = 0;
const firstWorker = 1;
/** Places of its events; whether it waits for one; places that it was handed and has not taken; how often it was woken. */
const [taken, waits, handed, wakes] = [0, 1, 2, 3];
const wordsEach = 4;

type Words = Int32Array<SharedArrayBuffer>;

/** The memory for the events that the app handles at one time, over the components of all workers. */
export function concurrencyMemory(workers: number): SharedArrayBuffer {
  const words = firstWorker + wordsEach * workers;
  return new SharedArrayBuffer(words * Int32Array.BYTES_PER_ELEMENT);
}

/** What a worker that has ended had is free. */
export function freePlaces(memory: SharedArrayBuffer, worker: number): void {
  const words = new Int32Array(memory);
  const at = firstWorker + wordsEach * worker;
  Atomics.store(words, at + waits, 0);
  const places = Atomics.exchange(words, at + taken, 0) + Atomics.exchange(words, at + handed, 0);
  for (let place = 0; place < places; place++) giveBack(words, worker);
}

export function usedPlaces(memory: SharedArrayBuffer): number {
  return Atomics.load(new Int32Array(memory), usedAt);
}

/**
 * As `Concurrency`, over all workers. A place that is given back is handed to the next worker that waits, so that none that
 * is quicker takes it again.
 */
export class SharedConcurrency implements ConcurrencyLimit {
  readonly limit: number;
  readonly #words: Words;
  readonly #worker: number;
  readonly #at: number;
  readonly #waiting = new Set<() => void>();
  #woken: number;

  /** `limit` undefined: there is none. */
  constructor(memory: SharedArrayBuffer, worker: number, limit: number | undefined) {
    this.limit = limit ?? Number.POSITIVE_INFINITY;
    this.#words = new Int32Array(memory);
    this.#worker = worker;
    this.#at = firstWorker + wordsEach * worker;
    this.#woken = Atomics.load(this.#words, this.#at + wakes);
    if (limit === undefined) return;
    // One that had this number before may have been handed some.
    this.#offer();
    this.#listen();
  }

  get used(): number {
    return Atomics.load(this.#words, usedAt);
  }

  take(whenFree: () => void): boolean {
    if (this.#takeHanded() || this.#takeFree()) return true;
    this.#waiting.add(whenFree);
    Atomics.store(this.#words, this.#at + waits, 1);
    // One may have become free before anybody could see that somebody waits.
    if (!this.#takeFree()) return false;
    this.#waiting.delete(whenFree);
    this.#look();
    return true;
  }

  release(): void {
    Atomics.sub(this.#words, this.#at + taken, 1);
    giveBack(this.#words, this.#worker, Number.isFinite(this.limit) ? this.limit : undefined);
  }

  #takeHanded(): boolean {
    const words = this.#words;
    const at = this.#at + handed;
    for (let left = Atomics.load(words, at); left > 0; left = Atomics.load(words, at)) {
      if (Atomics.compareExchange(words, at, left, left - 1) !== left) continue;
      Atomics.add(words, this.#at + taken, 1);
      return true;
    }
    return false;
  }

  #takeFree(): boolean {
    if (!addUnder(this.#words, this.limit)) return false;
    Atomics.add(this.#words, this.#at + taken, 1);
    return true;
  }

  /** Is told of each place that is handed over, wanted still or not. */
  #listen(): void {
    const words = this.#words;
    const at = this.#at + wakes;
    for (;;) {
      const now = Atomics.load(words, at);
      if (now === this.#woken) {
        const wait = Atomics.waitAsync(words, at, now);
        if (!wait.async) continue;
        void wait.value.then(() => this.#listen());
        return;
      }
      this.#woken = now;
      this.#offer();
    }
  }

  /** Those who waited longest first. What none of them takes is given back. */
  #offer(): void {
    const words = this.#words;
    const at = this.#at + handed;
    for (const wake of this.#waiting) {
      if (Atomics.load(words, at) === 0) break;
      this.#waiting.delete(wake);
      wake();
    }
    this.#look();
    const left = this.#waiting.size > 0 ? 0 : Atomics.exchange(words, at, 0);
    for (let place = 0; place < left; place++) giveBack(words, this.#worker, this.limit);
  }

  /** Says whether somebody waits here. */
  #look(): void {
    if (this.#waiting.size === 0) Atomics.store(this.#words, this.#at + waits, 0);
  }
}

/** Hands a place to the next worker that waits; where none does, it is free. `limit` undefined: nobody waits. */
function giveBack(words: Words, worker: number, limit: number = 0x7f_ff_ff_ff): void {
  if (handOver(words, worker)) return;
  Atomics.sub(words, usedAt, 1);
  // Somebody may have begun to wait before it was free.
  if (!someWait(words) || !addUnder(words, limit)) return;
  if (!handOver(words, worker)) Atomics.sub(words, usedAt, 1);
}

function handOver(words: Words, worker: number): boolean {
  const workers = (words.length - firstWorker) / wordsEach;
  for (let step = 1; step <= workers; step++) {
    const at = firstWorker + wordsEach * ((worker + step) % workers);
    if (Atomics.load(words, at + waits) === 0) continue;
    Atomics.add(words, at + handed, 1);
    Atomics.add(words, at + wakes, 1);
    Atomics.notify(words, at + wakes);
    return true;
  }
  return false;
}

function someWait(words: Words): boolean {
  for (let at = firstWorker; at < words.length; at += wordsEach)
    if (Atomics.load(words, at + waits) === 1) return true;
  return false;
}

/** Takes a place unless all of them are used. */
function addUnder(words: Words, limit: number): boolean {
  for (;;) {
    const used = Atomics.load(words, usedAt);
    if (used >= limit) return false;
    if (Atomics.compareExchange(words, usedAt, used, used + 1) === used) return true;
  }
}
