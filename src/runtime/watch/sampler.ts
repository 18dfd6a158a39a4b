import { clock, type Timer } from "../../clock.ts";
import type { ComponentStatus } from "../status.ts";

/** What a component did in the {@link sampleTime} up to a moment. */
export type Sample = {
  /** That moment, in milliseconds since 1970. */
  readonly at: number;
  readonly attempts: number;
  readonly handled: number;
  readonly invocations: number;
  readonly failures: number;
  /** The mean of an attempt, in milliseconds; `undefined`: there was none. */
  readonly attemptTime: number | undefined;
  readonly invocationTime: number | undefined;
  /** Events with the app at that moment. */
  readonly inFlight: number;
  /** Events in the source at that moment; `undefined`: not known. */
  readonly backlog: number | undefined;
};

/** Milliseconds from one sample to the next. */
export const sampleTime = 5_000;
/** So many are kept: those of ten minutes. */
const kept = 120;
/** Nobody has looked for so long: no more are taken. Milliseconds. */
const idleTime = kept * sampleTime;

/** The columns of a sample. */
const columns = 8;
const notKnown = -1;

type Totals = Pick<ComponentStatus, "attempts" | "attemptTime" | "handled"> & {
  readonly invocations: number;
  readonly failures: number;
  readonly time: number;
};

type Series = {
  /** A row for each sample, in a ring. */
  readonly rows: Float64Array;
  /** The number of its first sample. */
  readonly first: number;
  totals: Totals;
};

/**
 * Notes each five seconds what every component did, and keeps that for ten minutes, in 8 kB for a component. Counts are
 * read as they are, so that what is counted costs nothing more.
 */
export class Sampler {
  readonly #components: () => readonly ComponentStatus[];
  readonly #series = new Map<string, Series>();
  readonly #times = new Float64Array(kept);
  readonly #isPermanent: boolean;
  #taken = 0;
  #timer: Timer | undefined;
  #users = 0;
  #unusedSince = 0;

  /** `permanent`: samples are taken from now on until {@link Sampler.stop}. Else from the first use on, until nobody has used them for ten minutes. */
  constructor(components: () => readonly ComponentStatus[], { permanent = false } = {}) {
    this.#components = components;
    this.#isPermanent = permanent;
    if (permanent) this.#start();
  }

  /** How many were taken since the start. */
  get taken(): number {
    return this.#taken;
  }

  /** Samples are taken at least until this is disposed of. */
  use(): Disposable {
    this.#users++;
    this.#start();
    let isOver = false;
    return {
      [Symbol.dispose]: () => {
        if (isOver) return;
        isOver = true;
        this.#users--;
        this.#unusedSince = clock.elapsed();
      },
    };
  }

  /** The samples of a component that were taken after so many, oldest first. */
  of(component: string, after = 0): Sample[] {
    const series = this.#series.get(component);
    if (series === undefined) return [];
    const samples: Sample[] = [];
    for (
      let number = Math.max(after, series.first, this.#taken - kept);
      number < this.#taken;
      number++
    )
      samples.push(this.#sample(series, number % kept));
    return samples;
  }

  stop(): void {
    clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#series.clear();
  }

  #start(): void {
    if (this.#timer !== undefined) return;
    for (const status of this.#components()) this.#add(status);
    this.#timer = clock.setInterval(() => this.#take(), sampleTime);
    this.#timer.unref();
  }

  #take(): void {
    if (!this.#isPermanent && this.#users === 0) {
      if (clock.elapsed() - this.#unusedSince >= idleTime) return this.stop();
    }
    const row = this.#taken % kept;
    this.#times[row] = clock.now();
    this.#taken++;
    const there = new Set<string>();
    for (const status of this.#components()) {
      there.add(status.name);
      const series = this.#series.get(status.name);
      if (series === undefined) this.#add(status);
      else note(series, row, status);
    }
    for (const name of this.#series.keys()) if (!there.has(name)) this.#series.delete(name);
  }

  /** Its first sample is the next one. */
  #add(status: ComponentStatus): void {
    const rows = new Float64Array(kept * columns);
    this.#series.set(status.name, { rows, first: this.#taken, totals: totalsOf(status) });
  }

  #sample({ rows }: Series, row: number): Sample {
    const at = row * columns;
    const [attempts = 0, handled = 0, invocations = 0, failures = 0] = rows.subarray(at);
    const [attemptTime = 0, invocationTime = 0, inFlight = 0, backlog = 0] = rows.subarray(at + 4);
    return {
      ...{ at: this.#times[row] ?? 0, attempts, handled, invocations, failures, inFlight },
      attemptTime: attempts === 0 ? undefined : attemptTime / attempts,
      invocationTime: invocations === 0 ? undefined : invocationTime / invocations,
      backlog: backlog === notKnown ? undefined : backlog,
    };
  }
}

function note(series: Series, row: number, status: ComponentStatus): void {
  const before = series.totals;
  const now = totalsOf(status);
  series.totals = now;
  series.rows.set(
    [
      since(before.attempts, now.attempts),
      since(before.handled, now.handled),
      since(before.invocations, now.invocations),
      since(before.failures, now.failures),
      since(before.attemptTime, now.attemptTime),
      since(before.time, now.time),
      status.inFlight,
      status.backlog ?? notKnown,
    ],
    row * columns,
  );
}

/** A component that was deleted and is there again counts anew. */
function since(before: number, now: number): number {
  return now >= before ? now - before : now;
}

function totalsOf({ attempts, attemptTime, handled, calls }: ComponentStatus): Totals {
  const { invocations, failures, time } = calls;
  return { attempts, attemptTime, handled, invocations, failures, time };
}
