import type { AttemptRecord, HistoryRecord } from "../../store/records.ts";
import type { Entry } from "../delivery/entry.ts";

/** How many finished events are remembered. */
const size = 10_000;

/** How an event ended. */
export type End = {
  readonly how: HistoryRecord["end"];
  readonly reason: string;
  /** The dead letter's id. */
  readonly deadLetter?: string | undefined;
};

/** What most events have none of. */
type Story = Pick<Entry, "attempts" | "renewals" | "failedRenewals">;

/**
 * The last events that have ended, without their payloads. A column for each thing that is told of them, so that
 * noting one makes no object: it is done for every event.
 */
export class HistoryRing {
  #next = 0;
  #count = 0;
  /** How many were ever added. */
  #added = 0;
  readonly #components: string[] = [];
  readonly #ids: (string | undefined)[] = [];
  readonly #sources: string[] = [];
  readonly #traceparents: (string | undefined)[] = [];
  readonly #ends: End[] = [];
  readonly #stories: (Story | undefined)[] = [];
  /** Made at the first event: a daemon that delivers nothing needs no room for it. */
  #times = new Float64Array(0);

  /** Takes an event in, in place of the oldest where it is full, and tells where. */
  add(component: string, entry: Entry, end: End, now: number): number {
    const at = this.#next;
    if (this.#count === 0) this.#times = new Float64Array(size * 4);
    this.#next = at === size - 1 ? 0 : at + 1;
    this.#added++;
    if (this.#count < size) this.#count++;
    this.#components[at] = component;
    this.#ids[at] = entry.event.id;
    this.#sources[at] = entry.window.source;
    this.#traceparents[at] = entry.trace["traceparent"];
    this.#ends[at] = end;
    const hasStory = entry.attempts !== undefined || entry.renewals !== undefined;
    this.#stories[at] = hasStory || entry.failedRenewals !== undefined ? storyOf(entry) : undefined;
    const times = this.#times;
    const first = at * 4;
    times[first] = entry.since;
    times[first + 1] = entry.attemptedAt;
    times[first + 2] = entry.took;
    times[first + 3] = now;
    return at;
  }

  /** What is known of the event at this place. */
  record(at: number): HistoryRecord {
    const [receivedAt = 0, attemptedAt = 0, took = 0, endedAt = 0] = this.#times.subarray(at * 4);
    return compose({
      component: this.#components[at] ?? "",
      eventId: this.#ids[at] ?? "",
      source: this.#sources[at] ?? "",
      ...{ receivedAt, attemptedAt, took, endedAt },
      story: this.#stories[at],
      traceId: this.#traceIdAt(at),
      end: this.#ends[at] ?? unknownEnd,
    });
  }

  /** When the oldest that is known ended; `undefined`: none is known. */
  get oldestEnd(): number | undefined {
    if (this.#count === 0) return undefined;
    return this.#times[((this.#next - this.#count + size) % size) * 4 + 3];
  }

  /** The places of all, with the number that each has, the newest first, from the one below that number on. */
  *list(below = Number.POSITIVE_INFINITY): Generator<{ at: number; number: number }> {
    const oldest = this.#added - this.#count;
    for (let number = Math.min(below, this.#added) - 1; number >= oldest; number--)
      yield { at: number % size, number };
  }

  /** The places of events that became this dead letter. */
  *ofDeadLetter(id: string): Generator<number> {
    for (const { at } of this.list()) if (this.#ends[at]?.deadLetter === id) yield at;
  }

  /** The places of events with this id, or in this trace, the newest first. */
  *find(idOrTrace: string, component: string | undefined): Generator<number> {
    for (let back = 1; back <= this.#count; back++) {
      const at = (this.#next - back + size) % size;
      if (component !== undefined && this.#components[at] !== component) continue;
      if (this.#ids[at] === idOrTrace || this.#traceIdAt(at) === idOrTrace) yield at;
    }
  }

  #traceIdAt(at: number): string {
    return this.#traceparents[at]?.slice(3, 35) ?? "";
  }
}

const unknownEnd: End = { how: "handled", reason: "" };

/** What is told of an event that has come to its end. */
export function recordOf(component: string, entry: Entry, end: End, now: number): HistoryRecord {
  const { event, window, since, attemptedAt, took, traceId } = entry;
  return compose({
    ...{ component, eventId: event.id ?? "", source: window.source, receivedAt: since },
    ...{ attemptedAt, took, endedAt: now, story: storyOf(entry), traceId, end },
  });
}

type Facts = Pick<HistoryRecord, "component" | "eventId" | "source" | "receivedAt"> &
  Pick<HistoryRecord, "traceId" | "endedAt"> & {
    readonly attemptedAt: number;
    readonly took: number;
    readonly story: Story | undefined;
    readonly end: End;
  };

function compose(facts: Facts): HistoryRecord {
  const { component, eventId, source, receivedAt, attemptedAt, took, story, traceId } = facts;
  const { how, reason, deadLetter } = facts.end;
  const attempts = [...(story?.attempts ?? [])];
  if (how === "handled" && attemptedAt > 0) attempts.push(handledAt(attemptedAt, took));
  return {
    ...{ component, eventId, source, receivedAt, attempts },
    renewals: story?.renewals ?? [],
    ...(story?.failedRenewals && { failedRenewals: story.failedRenewals }),
    ...{ traceId, end: how, endedAt: facts.endedAt, reason, deadLetter },
  };
}

function storyOf({ attempts, renewals, failedRenewals }: Entry): Story {
  return { attempts, renewals, failedRenewals };
}

/** The attempt that was well; the others are noted as they end. */
function handledAt(attemptedAt: number, took: number): AttemptRecord {
  const at = Math.round(performance.timeOrigin + attemptedAt);
  return { at, took, outcome: "handled", answer: "" };
}
