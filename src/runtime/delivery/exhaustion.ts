import { clock } from "../../clock.ts";
import type { Settlement } from "../../binding.ts";
import { messageOf } from "../../errors.ts";
import { faultPoints, reach } from "../../fault-point.ts";
import type { DeadLetter, StoredEvent } from "../../store/records.ts";
import { identify, type AttemptCounts } from "./attempt-counts.ts";
import type { DeliveryOptions } from "./delivery-options.ts";
import type { Entry, Exhausted } from "./entry.ts";
import { isFenced, leaseIsOver } from "./fenced.ts";
import type { End } from "../records/history-ring.ts";
import { withTimeout } from "../timeout.ts";
import { abortable } from "../../abortable.ts";
import { timeOrderedUuid } from "../uuid.ts";
import { noStore } from "../no-store.ts";
import type { Span, SpanPlace } from "../tracer.ts";
import { deadLetterSpan } from "./traced.ts";

/** The least pause before an event that could not be put where it belongs is put there again, in milliseconds. */
export const disposalPause = 1000;

/**
 * What became of an exhausted event: it is done with, and its source is told so; it could not be put where it
 * belongs, and stays; or its component halts.
 */
export type Disposal =
  | { readonly kind: "done"; readonly settlement: Settlement; readonly end: End }
  | { readonly kind: "stays"; readonly reason: string }
  | { readonly kind: "halt"; readonly reason: string };

export type Blockage = {
  /** A sentence. */
  readonly reason: string;
  readonly since: Date;
};

const handled: Settlement = { outcome: "handled" };
const deadLettered: Settlement = { outcome: "handled", movedTo: "dead letters" };

/**
 * Brings events whose attempts are used up where their component sends them. Their source hears "handled" only
 * once they are safely there.
 */
export class Exhaustion {
  readonly #options: DeliveryOptions;
  readonly #counts: AttemptCounts;
  readonly #stuck = new Map<Entry, Blockage>();
  /** Those that the log has named. */
  readonly #told = new WeakSet<Entry>();

  constructor(options: DeliveryOptions, counts: AttemptCounts) {
    this.#options = options;
    this.#counts = counts;
  }

  /** Why events stay that belong elsewhere, and since when; `undefined`: none does. */
  get blockage(): Blockage | undefined {
    const [oldest] = this.#stuck.values();
    return oldest;
  }

  /** Why this event stays; `undefined`: it does not. */
  troubleOf(entry: Entry): Blockage | undefined {
    return this.#stuck.get(entry);
  }

  /** Brings one event where it belongs, as far as that can be done before the signal. Never rejects. */
  async dispose(entry: Entry, exhausted: Exhausted, signal: AbortSignal): Promise<Disposal> {
    if (isFenced(this.#options)) return fencedOff;
    try {
      signal.throwIfAborted();
      const run = (either: AbortSignal) => this.#dispose(entry, exhausted, either);
      const disposal = await this.#within(signal, run);
      this.#tell(entry, exhausted, disposal.kind === "done" ? disposal.end.deadLetter : undefined);
      return disposal;
    } catch (error) {
      this.#tell(entry, exhausted, undefined);
      const where = entry.redriven ? "the dead letters" : this.#destination;
      const reason = `event ${entry.label ?? "without id"} cannot be put into ${where}: ${messageOf(error)}`;
      // A redriven one is still in the dead letters, as it was.
      if (entry.redriven !== undefined) return refusedAgain(reason, undefined);
      if (!signal.aborted) this.#stay(entry, reason);
      return { kind: "stays", reason };
    }
  }

  /** The event is settled: it is no trouble any more. */
  forget(entry: Entry): void {
    if (this.#stuck.size > 0) this.#stuck.delete(entry);
  }

  get #destination(): string {
    const { onExhausted } = this.#options;
    return onExhausted.kind === "output" ? `output ${onExhausted.output}` : "the dead letters";
  }

  /** Ends at the signal, and after a while: what hangs must not keep its place among those in flight. */
  async #within(
    signal: AbortSignal,
    run: (signal: AbortSignal) => Promise<Disposal>,
  ): Promise<Disposal> {
    const late = new AbortController();
    const either = AbortSignal.any([signal, late.signal]);
    try {
      return await abortable(withTimeout(run(either)), signal);
    } catch (error) {
      late.abort();
      throw error;
    }
  }

  async #dispose(entry: Entry, exhausted: Exhausted, signal: AbortSignal): Promise<Disposal> {
    const { onExhausted, invokeOutput, policy, name } = this.#options;
    const { reason } = exhausted;
    if (entry.redriven !== undefined) return this.#putBack(entry, exhausted, entry.redriven);
    switch (onExhausted.kind) {
      case "deadLetter":
        return this.#deadLetter(entry, exhausted);
      case "output": {
        const about = {
          "cufflink-component": name,
          "cufflink-event-id": entry.event.id ?? "",
          "cufflink-reason": reason,
        };
        const { data } = entry.event;
        const place = { parent: entry.span?.traceparent };
        await this.#traced(entry, onExhausted.output, place, (cause) =>
          cause === undefined
            ? invokeOutput(onExhausted.output, data, about, signal)
            : invokeOutput(onExhausted.output, data, about, signal, cause),
        );
        const movedTo = { output: onExhausted.output };
        const settlement = { outcome: "handled", movedTo } as const;
        return { kind: "done", settlement, end: { how: "output", reason } };
      }
      case "drop":
        return { kind: "done", settlement: handled, end: { how: "dropped", reason } };
      case "return": {
        // It is for the source to say when it comes again, and then its attempts are counted from zero.
        this.#counts.forget(entry);
        const settlement = { outcome: "returned", reason, after: policy.retry.max } as const;
        return { kind: "done", settlement, end: { how: "returned", reason } };
      }
      case "halt":
        this.#counts.forget(entry);
        return { kind: "halt", reason };
    }
  }

  async #deadLetter(entry: Entry, exhausted: Exhausted): Promise<Disposal> {
    const { store } = this.#options;
    if (store === undefined) throw new Error(noStore);
    const { fingerprint } = identify(entry);
    const deadLetter = this.#deadLetterOf(entry, exhausted);
    const place = { parent: entry.span?.traceparent, own: deadLetterSpan(deadLetter) };
    const put = () => store.deadLetters.put(deadLetter, fingerprint);
    const id = await this.#traced(entry, "dead letters", place, put);
    this.#counts.deadLettered(entry);
    if (faultPoints) reach("dead letter stored");
    const end = { how: "dead letter", reason: exhausted.reason, deadLetter: id } as const;
    return { kind: "done", settlement: deadLettered, end };
  }

  /** Exhausted once more: the same dead letter, which has never left the store. */
  async #putBack(entry: Entry, exhausted: Exhausted, deadLetter: DeadLetter): Promise<Disposal> {
    const { reason, cause } = exhausted;
    const attempts = [...deadLetter.attempts, ...(entry.attempts ?? [])].slice(-mostAttempts);
    const failed = deadLetter.failed + entry.failed;
    const again = {
      ...deadLetter,
      cause,
      reason,
      attempts,
      failed,
      redrives: deadLetter.redrives + 1,
    };
    const place = { parent: entry.span?.traceparent };
    await this.#traced(entry, "dead letters", place, async () =>
      this.#options.store?.deadLetters.replace(again),
    );
    if (faultPoints) reach("dead letter stored");
    return refusedAgain(reason, deadLetter.id);
  }

  /** Brings an event where it belongs, in a span where the event has one. */
  async #traced<Value>(
    { span: parent }: Entry,
    to: string,
    place: SpanPlace,
    bring: (cause: Span | undefined) => Promise<Value>,
  ): Promise<Value> {
    const { tracer, name, type } = this.#options;
    if (parent === undefined || tracer === undefined) return bring(undefined);
    const span = tracer.disposal({ name, type }, to, place);
    try {
      const value = await bring(span);
      span.end();
      return value;
    } catch (error) {
      span.end({ type: "unavailable", message: messageOf(error) });
      throw error;
    }
  }

  #deadLetterOf(entry: Entry, { cause, reason }: Exhausted): DeadLetter {
    const { name, type } = this.#options;
    return {
      id: timeOrderedUuid(),
      component: name,
      type,
      cause,
      reason,
      event: storedEvent(entry),
      identity: identify(entry).identity,
      attempts: entry.attempts ?? [],
      failed: entry.failed,
      receivedAt: entry.since,
      storedAt: clock.now(),
      traceId: entry.traceId,
      redrives: 0,
      edited: false,
    };
  }

  /** Once; and once more when it has become a dead letter, whose id leads to the rest. */
  #tell(entry: Entry, { reason, why }: Exhausted, deadLetter: string | undefined): void {
    if (deadLetter === undefined && this.#told.has(entry)) return;
    this.#told.add(entry);
    const about = { event: entry.event.id, attempt: entry.failed, reason, deadLetter };
    const facts = { ...about, ...entry.traced };
    this.#options.logger.error(facts, `event not handled, ${why}`);
  }

  #stay(entry: Entry, reason: string): void {
    const since = this.#stuck.get(entry)?.since;
    if (since === undefined && this.#stuck.size === 0)
      this.#options.logger.error(
        { reason, ...entry.traced },
        "an event stays where it is, and is not acknowledged",
      );
    this.#stuck.set(entry, { reason, since: since ?? new Date(clock.now()) });
  }
}

const mostAttempts = 100;

const fencedOff: Disposal = {
  kind: "done",
  settlement: { outcome: "returned", reason: leaseIsOver },
  end: { how: "returned", reason: leaseIsOver },
};

function refusedAgain(reason: string, deadLetter: string | undefined): Disposal {
  const settlement = { outcome: "returned", reason } as const;
  return { kind: "done", settlement, end: { how: "dead letter", reason, deadLetter } };
}

function storedEvent({ event }: Entry): StoredEvent {
  const { data, headers, metadata, key, id } = event;
  return { data, headers, metadata, key, id };
}
