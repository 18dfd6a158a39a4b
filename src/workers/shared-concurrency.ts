import type { ConcurrencyLimit } from "../runtime/concurrency.ts";

/** Where things are in the memory that the workers share: then what each of them has taken, and whether it waits. */
const [usedAt, wakesAt, firstWorker] = [0, 1, 2];

/** The memory for the events that the app handles at one time, over the components of all workers. */
export function concurrencyMemory(workers: number): SharedArrayBuffer {
  return new SharedArrayBuffer((firstWorker + 2 * workers) * Int32Array.BYTES_PER_ELEMENT);
}

/** What a worker that has ended had taken is free. */
export function freePlaces(memory: SharedArrayBuffer, worker: number): void {
  const words = new Int32Array(memory);
  Atomics.sub(words, usedAt, Atomics.exchange(words, firstWorker + 2 * worker, 0));
  Atomics.store(words, firstWorker + 2 * worker + 1, 0);
  wakeAll(words);
}

export function usedPlaces(memory: SharedArrayBuffer): number {
  return Atomics.load(new Int32Array(memory), usedAt);
}

function wakeAll(words: Int32Array<SharedArrayBuffer>): void {
  Atomics.add(words, wakesAt, 1);
  Atomics.notify(words, wakesAt);
}

/** As `Concurrency`, over all workers. A place that is given back is offered to all who wait, of whichever worker. */
export class SharedConcurrency implements ConcurrencyLimit {
  readonly limit: number;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #workers: number;
  readonly #own: number;
  #waiting = new Set<() => void>();
  #isWaiting = false;

  /** `limit` undefined: there is none. */
  constructor(memory: SharedArrayBuffer, worker: number, limit: number | undefined) {
    this.limit = limit ?? Number.POSITIVE_INFINITY;
    this.#words = new Int32Array(memory);
    this.#workers = (this.#words.length - firstWorker) / 2;
    this.#own = firstWorker + 2 * worker;
  }

  get used(): number {
    return Atomics.load(this.#words, usedAt);
  }

  take(whenFree: () => void): boolean {
    if (this.#take()) return true;
    this.#waiting.add(whenFree);
    this.#wait();
    return false;
  }

  release(): void {
    Atomics.sub(this.#words, this.#own, 1);
    Atomics.sub(this.#words, usedAt, 1);
    if (!Number.isFinite(this.limit)) return;
    // Whoever is here is no quicker than the others, or they would wait for ever.
    if (this.#othersWait) wakeAll(this.#words);
    else this.#wake();
  }

  #take(): boolean {
    const words = this.#words;
    for (;;) {
      const used = Atomics.load(words, usedAt);
      if (used >= this.limit) return false;
      if (Atomics.compareExchange(words, usedAt, used, used + 1) === used) break;
    }
    Atomics.add(words, this.#own, 1);
    return true;
  }

  get #othersWait(): boolean {
    for (let worker = 0; worker < this.#workers; worker++) {
      const at = firstWorker + 2 * worker;
      if (at !== this.#own && Atomics.load(this.#words, at + 1) === 1) return true;
    }
    return false;
  }

  /** Asks to be woken, until nobody waits here. */
  #wait(): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    const words = this.#words;
    const seen = Atomics.load(words, wakesAt);
    Atomics.store(words, this.#own + 1, 1);
    // A place may have become free before the others could see that somebody waits.
    if (this.used < this.limit) {
      queueMicrotask(() => this.#woken());
      return;
    }
    const waiting = Atomics.waitAsync(words, wakesAt, seen);
    if (waiting.async) void waiting.value.then(() => this.#woken());
    else queueMicrotask(() => this.#woken());
  }

  #woken(): void {
    this.#isWaiting = false;
    Atomics.store(this.#words, this.#own + 1, 0);
    this.#wake();
    if (this.#waiting.size > 0) this.#wait();
  }

  /** Those who waited longest first. */
  #wake(): void {
    for (const wake of this.#waiting) {
      if (this.used >= this.limit) return;
      this.#waiting.delete(wake);
      wake();
    }
  }
}
