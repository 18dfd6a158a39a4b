import type { DeliveryOptions } from "./delivery-options.ts";
import type { Entry } from "./entry.ts";
import type { Exhaustion, Blockage } from "./exhaustion.ts";
import type { Lane } from "./lane.ts";
import type { UnfinishedEvent } from "../status.ts";
import type { Lanes } from "./lanes.ts";

type Parts = {
  readonly lanes: Lanes;
  readonly exhaustion: Exhaustion;
  /** Why the app gets nothing though it is there. */
  readonly closed: () => Blockage | undefined;
  readonly halted: () => boolean;
};

const most = 100;

/** Tells of the events of a component that have not ended. Costs only whoever asks. */
export class Unfinished {
  readonly #options: DeliveryOptions;
  readonly #parts: Parts;

  constructor(options: DeliveryOptions, parts: Parts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** Those with this id, in this trace, or that are this dead letter, the oldest first, at most 100. */
  find(idOrTrace: string): UnfinishedEvent[] {
    const found: UnfinishedEvent[] = [];
    for (const lane of this.#parts.lanes.all) {
      for (const [index, entry] of lane.entries.entries()) {
        const isMeant =
          entry.event.id === idOrTrace ||
          entry.traceId === idOrTrace ||
          entry.redriven?.id === idOrTrace;
        if (isMeant) found.push(this.#describe(lane, entry, index));
      }
    }
    return found.toSorted((a, b) => a.receivedAt - b.receivedAt).slice(0, most);
  }

  /** The oldest that has failed and is not with the app. */
  get oldestFailed(): UnfinishedEvent | undefined {
    let oldest: { lane: Lane; entry: Entry; index: number } | undefined;
    for (const lane of this.#parts.lanes.all) {
      const index = lane.entries.findIndex((one, at) => one.failed > 0 && at >= lane.sent);
      const entry = lane.entries[index];
      if (entry !== undefined && (oldest === undefined || entry.since < oldest.entry.since))
        oldest = { lane, entry, index };
    }
    return oldest && this.#describe(oldest.lane, oldest.entry, oldest.index);
  }

  #describe(lane: Lane, entry: Entry, index: number): UnfinishedEvent {
    const { event, window, since, redriven } = entry;
    const { attempts } = this.#options.policy.retry;
    return {
      component: this.#options.name,
      eventId: event.id ?? "",
      source: window.source,
      receivedAt: since,
      attempts: [...(entry.attempts ?? [])],
      renewals: [...(entry.renewals ?? [])],
      failedRenewals: [...(entry.failedRenewals ?? [])],
      traceId: entry.traceId,
      key: event.key,
      ...this.#place(lane, entry, index),
      attempt: entry.failed + 1,
      attemptsAllowed: Number.isFinite(attempts) ? attempts : undefined,
      lastError: entry.lastError ?? "",
      deadLetter: redriven?.id,
    };
  }

  #place(
    lane: Lane,
    entry: Entry,
    index: number,
  ): Pick<UnfinishedEvent, "where" | "reason" | "nextAt"> {
    const nextAt = lane.place === "parked" ? lane.parkedUntil : undefined;
    const isOut = index < lane.sent;
    if (entry.exhausted !== undefined) {
      const trouble = this.#parts.exhaustion.troubleOf(entry)?.reason;
      return { where: "held", reason: trouble ?? this.#goal(entry), nextAt };
    }
    if (entry.kept !== undefined) {
      const reason = "the app has handled it; what its reply asks for is not done yet";
      return { where: nextAt === undefined ? "held" : "waiting for a retry", reason, nextAt };
    }
    if (isOut) return { where: "with the app", reason: "", nextAt };
    const [first] = lane.entries;
    if (nextAt !== undefined && (entry.failed > 0 || first === entry))
      return { where: "waiting for a retry", reason: "", nextAt };
    if (entry.preparing) {
      const reason = "the store is asked whether it was handled before, or notes its next attempt";
      return { where: "held", reason, nextAt: undefined };
    }
    return { where: "queued", reason: this.#hindrance(first, entry), nextAt: undefined };
  }

  /** Where an exhausted event goes. */
  #goal({ redriven }: Entry): string {
    const { onExhausted } = this.#options;
    if (this.#parts.halted()) return "its attempts are used up, and its component has halted";
    const { kind } = onExhausted;
    const deadLetters = kind === "deadLetter" || redriven !== undefined;
    const where = deadLetters
      ? "the dead letters"
      : kind === "output"
        ? onExhausted.output
        : "its end";
    return `no attempt is left, and it is on its way to ${where}`;
  }

  #hindrance(first: Entry | undefined, entry: Entry): string {
    const { app } = this.#options;
    if (this.#parts.halted()) return "its component has halted";
    if (!app.available) return app.unavailableReason;
    if (first !== undefined && first !== entry)
      return `it comes after ${first.label ?? "an event without id"}, which has the same key`;
    return this.#parts.closed()?.reason ?? "";
  }
}
