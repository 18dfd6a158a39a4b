import { pauseAfter, type RetryPolicy } from "../../policy/retry.ts";

/** From 100 ms doubling to 10 s, without end. */
const reopening: RetryPolicy = {
  attempts: Number.POSITIVE_INFINITY,
  initial: 100,
  max: 10_000,
  multiplier: 2,
  jitter: 0.1,
};

/** The pause before a connection is opened again after so many failures in a row, in milliseconds. */
export function reopeningPause(failures: number): number {
  return pauseAfter(reopening, failures);
}
