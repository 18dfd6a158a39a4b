import type { HistoryRecord } from "../../store/records.ts";

/** How an event can end. */
export type EventResult = HistoryRecord["end"];

/** What an input has done since its start. */
export type EventCounts = {
  /** Events by how they ended. A redriven dead letter counts where it was handled. */
  readonly ended: Readonly<Record<EventResult, number>>;
  /** Times that the app was given an event and answered, or a reply's fan-out was tried again. */
  readonly attempts: number;
  /** Those of them that failed. */
  readonly failedAttempts: number;
  /** How long the app took for all of them together, in milliseconds. */
  readonly attemptTime: number;
};

/** Counts that are still counted. */
export type RunningCounts = {
  readonly ended: Record<EventResult, number>;
  attempts: number;
  failedAttempts: number;
  attemptTime: number;
};

/** Nothing counted yet. */
export function newCounts(): RunningCounts {
  const ended = { handled: 0, "dead letter": 0, output: 0, dropped: 0, returned: 0, duplicate: 0 };
  return { ended, attempts: 0, failedAttempts: 0, attemptTime: 0 };
}

/** The counts of both together. */
export function addCounts(one: EventCounts, other: EventCounts | undefined): EventCounts {
  if (other === undefined) return one;
  const sum = newCounts();
  for (const how of Object.keys(sum.ended) as EventResult[])
    sum.ended[how] = one.ended[how] + other.ended[how];
  sum.attempts = one.attempts + other.attempts;
  sum.failedAttempts = one.failedAttempts + other.failedAttempts;
  sum.attemptTime = one.attemptTime + other.attemptTime;
  return sum;
}
