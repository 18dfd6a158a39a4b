import type { Matching } from "./matching.ts";
import type { RetryPolicy } from "./retry.ts";

/** What the runtime does about failures of one component in one direction. */
export type Policy = {
  readonly retry: RetryPolicy;
  /**
   * Somebody asked for repeating by name, so that an output repeats what may have had an effect too, not
   * only what surely had none or can be done twice. Inputs repeat everything in any case.
   */
  readonly repeatsAmbiguous?: boolean | undefined;
  /** Which failures are repeated, by their codes. Absent: whatever their codes. */
  readonly matching?: Matching | undefined;
  /** The longest one attempt may take, in milliseconds. Absent: no limit. */
  readonly timeout?: number | undefined;
  /** Absent: none. */
  readonly breaker?: Breaker | undefined;
};

/** A circuit breaker: lets nothing through for a while once too much has failed. */
export type Breaker = {
  readonly name: string;
  readonly state: BreakerState;
  /** Milliseconds until an open one lets something through again; 0 when it does. */
  readonly passesIn: number;
  /**
   * Whether one more may go through now: `undefined` if not. Each that may is followed by exactly one
   * {@link Breaker.done} with what it got.
   */
  enter(): Permit | undefined;
  /** `undefined`: it says nothing about the other side (cancelled, never sent). */
  done(pass: Permit, succeeded: boolean | undefined): void;
  /** Calls the listener when it may let through more than before; the returned function ends that. */
  onPass(listener: () => void): () => void;
};

export type BreakerState = "closed" | "open" | "half-open";

/** What went through a breaker, so that its end is counted with its beginning. */
export type Permit = { readonly period: number };
