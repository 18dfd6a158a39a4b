import type { RetryPolicy } from "./retry.ts";

/** What the runtime does about failures of one component in one direction. */
export type Policy = {
  readonly retry: RetryPolicy;
  /** The longest one attempt may take, in milliseconds. Absent: no limit. */
  readonly timeout?: number | undefined;
  /** Absent: none. */
  readonly breaker?: Breaker | undefined;
};

/** A circuit breaker: lets nothing through for a while once too much has failed. */
export type Breaker = {
  readonly name: string;
  readonly state: "closed" | "open" | "half-open";
  /**
   * Whether one more may go through now. Each that may is followed by exactly one {@link Breaker.done}.
   */
  enter(): boolean;
  /** `undefined`: it says nothing about the other side (given up, never sent). */
  done(succeeded: boolean | undefined): void;
  /** Calls the listener when it may let through more than before; the returned function ends that. */
  onPass(listener: () => void): () => void;
};
