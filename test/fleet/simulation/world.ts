import { withClock, type Clock, type ClockTimer } from "../../../src/clock.ts";

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Due = { readonly at: number; readonly order: number; run: (() => void) | undefined };

/** Something that will happen, and can be called off. */
export type Planned = { cancel(): void };

/**
 * A time of its own in which machines with clocks of their own run the real code. Times are milliseconds of real time, as
 * no machine of it knows them.
 */
export class SimulatedWorld {
  readonly random: () => number;
  #now = 0;
  #order = 0;
  readonly #heap: Due[] = [];

  constructor(seed: number) {
    this.random = randomOf(seed);
  }

  get now(): number {
    return this.#now;
  }

  plan(inMilliseconds: number, run: () => void): Planned {
    const due: Due = { at: this.#now + Math.max(0, inMilliseconds), order: this.#order++, run };
    push(this.#heap, due);
    return { cancel: () => (due.run = undefined) };
  }

  /** Lets so much time pass. `after`: called after each moment at which something happened. */
  async pass(milliseconds: number, after?: () => void): Promise<void> {
    const end = this.#now + milliseconds;
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.at > end) break;
      this.#now = next.at;
      while (this.#heap[0]?.at === this.#now) pop(this.#heap)?.run?.();
      // What waits for promises goes on before the time does.
      await new Promise((resolve) => setImmediate(resolve));
      after?.();
    }
    this.#now = end;
  }
}

export type MachineOptions = {
  /** How fast its clocks run; 1: exactly. */
  readonly rate?: number;
  /** How far its time of day is off, in milliseconds. */
  readonly offset?: number;
};

const start = Date.UTC(2027, 0, 1);

/** A machine with a process, which can be stopped (SIGSTOP), or killed for good. */
export class Machine {
  readonly world: SimulatedWorld;
  readonly #rate: number;
  readonly #offset: number;
  #frozen = false;
  #dead = false;
  /** What happened to it while it was stopped. */
  #missed: (() => void)[] = [];
  readonly clock: Clock;

  constructor(world: SimulatedWorld, { rate = 1, offset = 0 }: MachineOptions = {}) {
    this.world = world;
    this.#rate = rate;
    this.#offset = offset;
    // Monotonic clocks begin anywhere.
    const began = world.random() * 1e6;
    const elapsed = (): number => began + world.now * this.#rate;
    this.clock = {
      now: () => start + this.#offset + world.now * this.#rate,
      elapsed,
      start: (run, milliseconds, every) => this.#timer(run, milliseconds, every),
    };
  }

  /** Its time of day, whether anybody can look at it or not. */
  get time(): number {
    return this.clock.now();
  }

  get frozen(): boolean {
    return this.#frozen;
  }

  get dead(): boolean {
    return this.#dead;
  }

  /** Runs code as if on this machine. */
  run<Result>(code: () => Result): Result {
    return withClock(this.clock, code);
  }

  /** Something reaches the process: at once, or once it goes on. */
  reach(run: () => void): void {
    if (this.#dead) return;
    if (this.#frozen) this.#missed.push(run);
    else this.run(run);
  }

  freeze(): void {
    this.#frozen = true;
  }

  thaw(): void {
    this.#frozen = false;
    const missed = this.#missed;
    this.#missed = [];
    for (const run of missed) this.reach(run);
  }

  kill(): void {
    this.#dead = true;
    this.#missed = [];
  }

  #timer(run: () => void, milliseconds: number, every: boolean): ClockTimer {
    let planned: Planned;
    let cancelled = false;
    const fire = (): void => {
      if (cancelled) return;
      if (every) plan();
      run();
    };
    const plan = (): void => {
      planned = this.world.plan(milliseconds / this.#rate, () => this.reach(fire));
    };
    plan();
    const timer: ClockTimer = {
      cancel: () => {
        cancelled = true;
        planned.cancel();
      },
      unref: () => timer,
    };
    return timer;
  }
}

function before(one: Due, other: Due): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}

function push(heap: Due[], due: Due): void {
  let index = heap.length;
  heap.push(due);
  while (index > 0) {
    const parent = (index - 1) >> 1;
    const above = heap[parent] as Due;
    if (!before(due, above)) break;
    heap[index] = above;
    index = parent;
  }
  heap[index] = due;
}

function pop(heap: Due[]): Due | undefined {
  const first = heap[0];
  const last = heap.pop();
  if (heap.length === 0 || last === undefined) return first;
  let index = 0;
  for (;;) {
    let child = 2 * index + 1;
    if (child >= heap.length) break;
    const right = heap[child + 1];
    if (right !== undefined && before(right, heap[child] as Due)) child++;
    const smaller = heap[child] as Due;
    if (!before(smaller, last)) break;
    heap[index] = smaller;
    index = child;
  }
  heap[index] = last;
  return first;
}
