import { clock, type Timer } from "../clock.ts";
import { longestTimer } from "../metadata/duration.ts";
import { circuitBreaker, CircuitState, handleAll, type CircuitBreakerPolicy } from "cockatiel";
import type { Breaker, BreakerState, Permit } from "./policy.ts";
import type { Counts, Trip } from "./trip.ts";

export type CircuitBreakerOptions = {
  /** As it is called in messages. */
  readonly name: string;
  /** How many may go through while half-open, and must succeed for it to close. At least 1. */
  readonly maxRequests: number;
  /** Milliseconds after which the counts of a closed one are reset. 0: never. */
  readonly interval: number;
  /** Milliseconds that it stays open. */
  readonly timeout: number;
  readonly trip: Trip;
  /** Told each change of its state. */
  readonly onState?: (state: BreakerState, counts: Counts) => void;
};

const none: Counts = {
  requests: 0,
  totalSuccesses: 0,
  totalFailures: 0,
  consecutiveSuccesses: 0,
  consecutiveFailures: 0,
};

/**
 * A breaker with the rules of Dapr's, made of cockatiel's: that one owns closed, open and half-open and
 * weighs the calls of the half-open state. What Dapr has besides is here: the counts for `trip`, the
 * interval, and an open time by a clock that nobody can set back.
 */
export class CircuitBreaker implements Breaker {
  readonly #options: CircuitBreakerOptions;
  readonly #circuit: CircuitBreakerPolicy;
  readonly #listeners = new Set<() => void>();
  #counts = none;
  /** Changes with the state and each interval: what ends in another than it began in is not counted. */
  #period: Permit = { period: 0 };
  #periodSince = clock.elapsed();
  /** It will be open once the library has run: a promise later. */
  #tripped = false;
  #openedAt = 0;
  #timer: Timer | undefined;
  /** Of the half-open state: calls let through, and permits returned unused. */
  #probes = 0;
  readonly #running: PromiseWithResolvers<void>[] = [];
  readonly #unused: PromiseWithResolvers<void>[] = [];

  constructor(options: CircuitBreakerOptions) {
    this.#options = options;
    this.#circuit = circuitBreaker(handleAll, {
      // The library's own open time goes by the wall clock; passesIn decides instead.
      halfOpenAfter: Number.NEGATIVE_INFINITY,
      halfOpenSampling: { calls: options.maxRequests, threshold: 0 },
      breaker: { state: undefined, success: () => undefined, failure: () => true },
    });
    this.#circuit.onBreak(() => this.#opened());
    this.#circuit.onReset(() => this.#closed());
  }

  get name(): string {
    return this.#options.name;
  }

  get state(): BreakerState {
    if (this.#tripped) return "open";
    if (this.#circuit.state === CircuitState.Closed) return "closed";
    return this.passesIn > 0 ? "open" : "half-open";
  }

  get passesIn(): number {
    if (this.#tripped) return this.#options.timeout;
    if (this.#circuit.state !== CircuitState.Open) return 0;
    return Math.max(0, this.#openedAt + this.#options.timeout - clock.elapsed());
  }

  enter(): Permit | undefined {
    if (this.#tripped) return undefined;
    if (this.#circuit.state === CircuitState.Closed) {
      this.#endInterval();
      this.#counts = { ...this.#counts, requests: this.#counts.requests + 1 };
      return this.#period;
    }
    if (this.passesIn > 0) return undefined;
    return this.#enterHalfOpen();
  }

  done(pass: Permit, succeeded: boolean | undefined): void {
    this.#endInterval();
    if (pass !== this.#period || this.#tripped) return;
    if (this.#circuit.state !== CircuitState.Closed) return this.#doneHalfOpen(succeeded);
    this.#counts = counted(this.#counts, succeeded);
    if (succeeded !== false || !this.#options.trip(this.#counts)) return;
    this.#tripped = true;
    void this.#circuit.execute(() => Promise.reject(new Error("tripped"))).catch(() => undefined);
  }

  onPass(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #enterHalfOpen(): Permit | undefined {
    if (this.#circuit.state === CircuitState.Open) {
      this.#beginPeriod();
      this.#probes = 0;
      this.#options.onState?.("half-open", this.#counts);
    }
    const place = this.#unused.pop();
    if (place !== undefined) {
      this.#running.push(place);
      return this.#period;
    }
    if (this.#probes >= this.#options.maxRequests) return undefined;
    this.#probes++;
    const probe = Promise.withResolvers<void>();
    this.#running.push(probe);
    void this.#circuit.execute(() => probe.promise).catch(() => undefined);
    return this.#period;
  }

  #doneHalfOpen(succeeded: boolean | undefined): void {
    const probe = this.#running.pop();
    if (probe === undefined) return;
    if (succeeded === undefined) {
      this.#unused.push(probe);
      this.#tell();
    } else if (succeeded) probe.resolve();
    else {
      this.#tripped = true;
      probe.reject(new Error("failed while half-open"));
    }
  }

  #opened(): void {
    const before = this.#counts;
    this.#tripped = false;
    this.#openedAt = clock.elapsed();
    this.#beginPeriod();
    // A listener may wait for nothing else; whoever wants the process to end may have it.
    this.#timer = clock
      .setTimeout(() => this.#tell(), Math.min(this.#options.timeout, longestTimer))
      .unref();
    this.#options.onState?.("open", before);
  }

  #closed(): void {
    clock.clearTimeout(this.#timer);
    this.#beginPeriod();
    this.#options.onState?.("closed", this.#counts);
    this.#tell();
  }

  #endInterval(): void {
    const { interval } = this.#options;
    if (interval <= 0 || this.#circuit.state !== CircuitState.Closed) return;
    if (clock.elapsed() - this.#periodSince > interval) this.#beginPeriod();
  }

  #beginPeriod(): void {
    this.#period = { period: this.#period.period + 1 };
    this.#periodSince = clock.elapsed();
    this.#counts = none;
    this.#running.length = 0;
    this.#unused.length = 0;
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

function counted(before: Counts, succeeded: boolean | undefined): Counts {
  // What says nothing was no request at all.
  if (succeeded === undefined) return { ...before, requests: before.requests - 1 };
  return succeeded
    ? {
        requests: before.requests,
        totalSuccesses: before.totalSuccesses + 1,
        totalFailures: before.totalFailures,
        consecutiveSuccesses: before.consecutiveSuccesses + 1,
        consecutiveFailures: 0,
      }
    : {
        requests: before.requests,
        totalSuccesses: before.totalSuccesses,
        totalFailures: before.totalFailures + 1,
        consecutiveSuccesses: 0,
        consecutiveFailures: before.consecutiveFailures + 1,
      };
}
