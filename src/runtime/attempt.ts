import type { Logger, Settlement } from "../binding.ts";
import { messageOf } from "../errors.ts";
import { pauseAfter } from "../policy/retry.ts";
import type { App, Outcome } from "./app.ts";
import type { DeliveryOptions } from "./delivery-options.ts";
import { runFanOut } from "./fan-out.ts";
import type { Entry, Lane } from "./lane.ts";

/** Whether the app takes an event of the lane: of one that says nothing about it, one at a time. */
export function takes({ intake }: App, lane: Lane): "now" | "lane waits" | "full" {
  if (intake === undefined) return lane.out > 0 ? "lane waits" : "now";
  return intake.takes(lane.key === undefined ? undefined : lane, lane.out);
}

/** Gives the app an event. Rejects when the app's side fails. */
export function ask(
  { app, name, route, policy }: DeliveryOptions,
  lane: Lane,
  entry: Entry,
  signal: AbortSignal,
): Promise<Outcome> {
  const { event } = entry;
  return app.deliver(
    {
      name,
      route,
      lane: lane.key === undefined ? undefined : lane,
      data: event.data,
      metadata: event.metadata,
      headers: event.headers,
      key: event.key,
      id: event.id,
      trace: entry.trace,
      attempt: entry.failed + 1,
      attempts: Number.isFinite(policy.attempts) ? policy.attempts : undefined,
      lastError: entry.lastError,
    },
    signal,
  );
}

/** Does what is left of a kept reply's fan-out. Never rejects. */
export async function completeFanOut(
  kept: NonNullable<Entry["kept"]>,
  signal: AbortSignal,
): Promise<Outcome> {
  try {
    const { remaining, reason } = await runFanOut(kept.fanOut, signal);
    if (remaining.length === 0) return { kind: "handled", reply: kept.reply };
    kept.fanOut = { steps: remaining, concurrency: kept.fanOut.concurrency };
    return { kind: "refused", reason };
  } catch (error) {
    return { kind: "refused", reason: messageOf(error) };
  }
}

/** Notes a failed attempt, with the pause that the policy and the app ask for. */
export function noteRefusal(
  entry: Entry,
  { reason, after = 0, final = false }: Outcome & { kind: "refused" },
  { policy, logger }: DeliveryOptions,
): void {
  const exhausted = final || entry.failed >= policy.attempts;
  entry.pause = Math.max(after, exhausted ? policy.max : pauseAfter(policy, entry.failed));
  const pause = Math.round(entry.pause);
  const facts = { event: entry.event.id, attempt: entry.failed, reason, pause };
  if (exhausted) {
    const why = final ? "the app says that trying again is no use" : "its attempts are used up";
    logger.error(facts, `event not handled, ${why}; it stays and is tried again`);
  } else logger.warn(facts, "event not handled; it is tried again after a pause");
}

/** Settles an event, once, and frees its place in the window. */
export function settle(entry: Entry, settlement: Settlement, logger: Logger): void {
  const { event } = entry;
  try {
    event.settle(settlement);
  } catch (error) {
    logger.error({ event: event.id, reason: messageOf(error) }, "an event could not be settled");
  }
  entry.window.leave(entry);
}
