/** When a failed operation is repeated, and how often. */
export type RetryPolicy = {
  /** All attempts, the first included; `Infinity`: without end. */
  readonly attempts: number;
  /** Milliseconds before the second attempt. */
  readonly initial: number;
  /** The longest pause, in milliseconds. */
  readonly max: number;
  /** The factor between two pauses. 1: constant. */
  readonly multiplier: number;
  /** How much a pause may be shorter or longer by chance, as a share of it: 0 to 1. */
  readonly jitter: number;
};

/** What an input does when its component says nothing: 10 attempts, from 1 s doubling to 60 s. */
export const defaultInboundPolicy: RetryPolicy = {
  attempts: 10,
  initial: 1000,
  max: 60_000,
  multiplier: 2,
  jitter: 0.1,
};

/**
 * What an output does when its component says nothing: 3 attempts, and the runtime repeats only what
 * was not sent or can be done twice.
 */
export const defaultOutboundPolicy: RetryPolicy = {
  attempts: 3,
  initial: 100,
  max: 1000,
  multiplier: 2,
  jitter: 0.1,
};

/** The pause in milliseconds after the given failed attempt (1 for the first). */
export function pauseAfter(
  policy: RetryPolicy,
  attempt: number,
  random: () => number = Math.random,
): number {
  const base = Math.min(policy.max, policy.initial * policy.multiplier ** (attempt - 1));
  return Math.max(0, base * (1 + policy.jitter * (random() * 2 - 1)));
}
