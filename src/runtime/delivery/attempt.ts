import { clock } from "../../clock.ts";
import { formatDuration, longestTimer } from "../../metadata/duration.ts";
import { messageOf } from "../../errors.ts";
import { faultPoints, reach } from "../../fault-point.ts";
import { matches } from "../../policy/matching.ts";
import { pauseAfter } from "../../policy/retry.ts";
import type { App, Delivery, Outcome } from "../app.ts";
import type { DeliveryOptions } from "./delivery-options.ts";
import type { Entry } from "./entry.ts";
import { isFenced, leaseIsOver } from "./fenced.ts";
import { runFanOut } from "./fan-out.ts";
import type { Lane } from "./lane.ts";
import { beginAnswer, beginAttempt, endBy } from "./traced.ts";
import type { AnswerSpan } from "../tracer.ts";

/** Whether the app takes an event of the lane: of one that says nothing about it, one at a time. */
export function takes(
  { intake }: App,
  lane: Lane,
  maxPerKey: number | undefined,
): "now" | "lane waits" | "full" {
  if (intake === undefined) return lane.out > 0 ? "lane waits" : "now";
  if (maxPerKey !== undefined && lane.out >= maxPerKey) return "lane waits";
  return intake.takes(lane.key === undefined ? undefined : lane, lane.out);
}

const noRoomForReply =
  "the memory budget has no room to keep the app's reply for its outputs (--memory-budget)";

/** Told how an attempt has ended. */
export type Answered = (lane: Lane, entry: Entry, outcome: Outcome) => void;

/**
 * Gives the app an event, for as long as the policy allows. A reply that asks for more is kept in the entry: that
 * is still to be done. Never rejects. A function called back, since a promise more costs every event.
 */
export async function attempt(
  options: DeliveryOptions,
  lane: Lane,
  entry: Entry,
  signal: AbortSignal,
  answered: Answered,
): Promise<void> {
  const { app, concurrency, observer, name, policy } = options;
  const { timeout } = policy;
  const started = clock.elapsed();
  let outcome: Outcome;
  if (faultPoints) reach("attempt begins");
  if (entry.span !== undefined) beginAttempt(options, entry);
  const span = entry.attemptSpan && beginAnswer(options, entry);
  try {
    const delivery = deliveryOf(options, lane, entry, span);
    outcome = await (timeout === undefined
      ? app.deliver(delivery, signal)
      : askWithin(timeout, app, delivery, signal));
  } catch (error) {
    // No field of an event may take the runtime down: what the app's side throws is that event's failure.
    outcome = { kind: "refused", reason: messageOf(error) };
  }
  if (faultPoints) reach("app answered");
  if (span !== undefined) endBy(span, outcome);
  concurrency.release();
  entry.attemptedAt = started;
  entry.took = clock.elapsed() - started;
  observer.attempted(name, outcome.kind, entry.took, entry.attemptSpan);
  entry.passed?.(hasSucceeded(outcome));
  entry.passed = undefined;
  if (outcome.kind === "handled") {
    const { reply } = outcome;
    try {
      const fanOut = options.fanOut(reply, entry);
      if (fanOut.steps.length > 0 && !entry.keep(reply, fanOut))
        outcome = { kind: "refused", reason: noRoomForReply };
    } catch (error) {
      outcome = { kind: "refused", reason: messageOf(error) };
    }
  }
  answered(lane, entry, outcome);
}

/** What an answer says about the app; a "never" says something about the event. */
function hasSucceeded(outcome: Outcome): boolean | undefined {
  if (outcome.kind === "handled" || outcome.kind === "dropped") return true;
  if (outcome.kind !== "refused") return undefined;
  return outcome.final === true;
}

async function askWithin(
  milliseconds: number,
  app: App,
  delivery: Delivery,
  signal: AbortSignal,
): Promise<Outcome> {
  const giving = new AbortController();
  const giveUp = (): void => giving.abort(signal.reason);
  if (signal.aborted) giveUp();
  else signal.addEventListener("abort", giveUp, { once: true });
  let late = false;
  const timer = clock.setTimeout(
    () => {
      late = true;
      giving.abort(new Error("the deadline has passed"));
    },
    Math.min(milliseconds, longestTimer),
  );
  try {
    const outcome = await app.deliver(delivery, giving.signal);
    if (!late || outcome.kind !== "refused") return outcome;
    return {
      kind: "refused",
      reason: `the app gave no answer within ${milliseconds} ms, the policy's timeout`,
    };
  } finally {
    clock.clearTimeout(timer);
    signal.removeEventListener("abort", giveUp);
  }
}

function deliveryOf(
  { name, route, nullAs, policy }: DeliveryOptions,
  lane: Lane,
  entry: Entry,
  span: AnswerSpan | undefined,
): Delivery {
  const { event, trace } = entry;
  const { attempts } = policy.retry;
  return {
    name,
    route,
    lane: lane.key === undefined ? undefined : lane,
    data: event.data,
    nullAs,
    metadata: event.metadata,
    headers: event.headers,
    key: event.key,
    id: event.id,
    trace: span === undefined ? trace : { ...trace, traceparent: span.traceparent },
    span,
    attempt: entry.failed + 1,
    attempts: Number.isFinite(attempts) ? attempts : undefined,
    lastError: entry.lastError,
  };
}

/** Does what is left of a kept reply's fan-out. Never rejects. */
export async function completeFanOut(
  options: DeliveryOptions,
  entry: Entry,
  kept: NonNullable<Entry["kept"]>,
  signal: AbortSignal,
): Promise<Outcome> {
  if (isFenced(options)) return { kind: "unsent", reason: leaseIsOver };
  let outcome: Outcome;
  const started = clock.elapsed();
  if (entry.span !== undefined) beginAttempt(options, entry);
  try {
    const { remaining, reason } = await runFanOut(kept.fanOut, signal);
    kept.fanOut = { steps: remaining, concurrency: kept.fanOut.concurrency };
    const isDone = remaining.length === 0;
    outcome = isDone ? { kind: "handled", reply: kept.reply } : { kind: "refused", reason };
  } catch (error) {
    outcome = { kind: "refused", reason: messageOf(error) };
  }
  entry.attemptedAt = started;
  entry.took = clock.elapsed() - started;
  if (faultPoints) reach("fan-out done");
  return outcome;
}

/** Notes a failed attempt: with the pause that the policy and the app ask for, or that there will be no other. */
export function noteRefusal(
  entry: Entry,
  { reason, after = 0, final = false, codes = {} }: Outcome & { kind: "refused" },
  { policy: { retry, matching = {} }, logger }: DeliveryOptions,
): void {
  const left = entry.failed < retry.attempts;
  if (final || !left || matches(matching, codes) === false) {
    const why = final
      ? "the app says that trying again is no use"
      : left
        ? "its policy does not repeat what is answered so"
        : "its attempts are used up";
    entry.exhausted = { cause: final ? "refused" : "exhausted", reason, why };
    return;
  }
  entry.pause = Math.max(after, pauseAfter(retry, entry.failed));
  const facts = { event: entry.event.id, attempt: entry.failed, reason, ...entry.traced };
  const pause = formatDuration(Math.round(entry.pause));
  logger.warn({ ...facts, pause }, "event not handled; it is tried again after a pause");
}
