import type { Logger } from "../../binding.ts";
import { BindingError, messageOf } from "../../errors.ts";
import type { HistoryRecord } from "../../store/records.ts";
import type { HistoryStore } from "../../store/store.ts";
import type { Entry } from "../delivery/entry.ts";
import { HistoryRing, type End } from "./history-ring.ts";
import { Tails, type Tail, type TailOptions } from "./tails.ts";

/** How many events that were simply handled are kept in the store, a second. */
const ordinaryPerSecond = 100;
/** Records go to the store together, at the latest after this many milliseconds. */
const gathering = 500;
const gatheredAtOnce = 500;
/** More than these wait for the store only while it fails or is slow; further ones are in memory alone. */
const mostPending = 5_000;
const mostFound = 100;
const longestClosing = 2_000;

/**
 * What became of the events, for whoever asks after one of them: the last 10,000 in memory, and in the store those
 * with something to tell, and of the others a few a second. Noting one costs next to nothing.
 */
export class History {
  readonly #store: HistoryStore | undefined;
  readonly #logger: Logger;
  readonly #ring = new HistoryRing();
  #pending: HistoryRecord[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isWriting = false;
  #writing: Promise<void> = Promise.resolve();
  #second = 0;
  #ordinary = 0;
  #inTrouble = false;

  readonly #keeps: boolean;
  readonly #tails = new Tails();
  /** The same while there is one who watches: nothing else is looked at for each event. */
  #watched: Tails | undefined;

  /** Without a store events are remembered in memory alone. `keeps`: they are remembered at all; default true. */
  constructor(store: HistoryStore | undefined, logger: Logger, { keeps = true } = {}) {
    this.#store = store;
    this.#logger = logger;
    this.#keeps = keeps;
  }

  /** Shows events from now on as they end. Throws a `BindingError` where too many watch. */
  tail(options: TailOptions): Tail {
    const tail = this.#tails.open(options, () => {
      if (this.#tails.isEmpty) this.#watched = undefined;
    });
    this.#watched = this.#tails;
    return tail;
  }

  /** Notes that an event has ended. */
  record(component: string, entry: Entry, end: End, now: number): void {
    this.#watched?.offer(component, entry, end, now);
    if (!this.#keeps) return;
    const at = this.#ring.add(component, entry, end, now);
    if (this.#store === undefined) return;
    if (isOrdinary(entry, end) && !this.#mayKeepOrdinary(now)) return;
    this.#pending.push(this.#ring.record(at));
    if (this.#pending.length > mostPending) this.#pending.shift();
    if (this.#pending.length >= gatheredAtOnce) this.#write(this.#store);
    else this.#timer ??= setTimeout(() => void this.flush(), gathering).unref();
  }

  /**
   * What is known of events with this id, or in this trace, the newest first, at most 100. Rejects with a
   * `BindingError` when the store cannot be read.
   */
  async find(idOrTrace: string, component?: string): Promise<HistoryRecord[]> {
    const found = [...this.#ring.find(idOrTrace, component)].map((at) => this.#ring.record(at));
    const known = new Map<string, number>();
    for (const record of found)
      known.set(fingerprint(record), (known.get(fingerprint(record)) ?? 0) + 1);
    await this.flush();
    for (const record of (await this.#store?.find(idOrTrace, component)) ?? []) {
      // Each in memory may be in the store too, and it is one event.
      const left = known.get(fingerprint(record)) ?? 0;
      if (left === 0) found.push(record);
      else known.set(fingerprint(record), left - 1);
    }
    return found.toSorted((a, b) => b.endedAt - a.endedAt).slice(0, mostFound);
  }

  /**
   * The last events, the newest first: those in memory, then those in the store that ended before. Rejects with a
   * `BindingError` when the store cannot be read, or for a token that is none.
   */
  async list({ component, ends, limit, token }: HistoryPage): Promise<HistoryList> {
    const from = readToken(token);
    const records: HistoryRecord[] = [];
    let endedBefore = from.endedBefore;
    if (endedBefore === undefined) {
      for (const { at, number } of this.#ring.list(from.below)) {
        const record = this.#ring.record(at);
        if (component !== undefined && record.component !== component) continue;
        if (ends.length > 0 && !ends.includes(record.end)) continue;
        if (records.length === limit) return { records, next: `m${number + 1}` };
        records.push(record);
      }
      endedBefore = this.#ring.oldestEnd ?? Number.MAX_SAFE_INTEGER;
    }
    if (this.#store === undefined) return { records, next: undefined };
    await this.flush();
    const below = from.endedBefore === undefined ? Number.MAX_SAFE_INTEGER : from.below;
    const rest = await this.#store.list({
      ...{ component, ends, endedBefore, below, limit: limit - records.length },
    });
    const next = rest.below === undefined ? undefined : `s${endedBefore}.${rest.below}`;
    return { records: [...records, ...rest.records], next };
  }

  /** The records of events that became this dead letter, the newest first. Rejects as {@link History.find} does. */
  async ofDeadLetter(id: string): Promise<HistoryRecord[]> {
    const found = [...this.#ring.ofDeadLetter(id)].map((at) => this.#ring.record(at));
    if (found.length > 0 || this.#store === undefined) return found;
    await this.flush();
    return this.#store.ofDeadLetter(id);
  }

  /** Resolves once what was noted is in the store, or could not be. */
  async flush(): Promise<void> {
    if (this.#store !== undefined && this.#pending.length > 0) this.#write(this.#store);
    await this.#writing;
  }

  /** As {@link flush}, and waits no longer than a moment for a store that hangs. */
  async close(): Promise<void> {
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, longestClosing);
    await Promise.race([this.flush(), late.promise]);
    clearTimeout(timer);
    clearTimeout(this.#timer);
  }

  #mayKeepOrdinary(now: number): boolean {
    if (now - this.#second >= 1000 || now < this.#second) {
      this.#second = now;
      this.#ordinary = 0;
    }
    return ++this.#ordinary <= ordinaryPerSecond;
  }

  /** One write at a time: a slow disk must not collect them. */
  #write(store: HistoryStore): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#isWriting) return;
    this.#isWriting = true;
    this.#writing = this.#append(store).finally(() => (this.#isWriting = false));
  }

  async #append(store: HistoryStore): Promise<void> {
    while (this.#pending.length > 0) {
      try {
        await store.append(this.#pending.splice(0));
        this.#inTrouble = false;
      } catch (error) {
        if (!this.#inTrouble)
          this.#logger.warn({ reason: messageOf(error) }, "the history of events cannot be kept");
        this.#inTrouble = true;
      }
    }
  }
}

/** Which events are listed. */
export type HistoryPage = {
  readonly component: string | undefined;
  /** How they ended; none: in any way. */
  readonly ends: readonly HistoryRecord["end"][];
  readonly limit: number;
  /** The `next` of the page before. */
  readonly token: string | undefined;
};

export type HistoryList = {
  readonly records: HistoryRecord[];
  /** For the page that follows; `undefined`: there is none. */
  readonly next: string | undefined;
};

type Position = { readonly below: number; readonly endedBefore: number | undefined };

function readToken(token: string | undefined): Position {
  if (token === undefined) return { below: Number.POSITIVE_INFINITY, endedBefore: undefined };
  const [, inMemory, endedBefore, below] =
    /^(?:m(\d{1,15})|s(\d{1,16})\.(\d{1,16}))$/.exec(token) ?? [];
  if (inMemory !== undefined) return { below: Number(inMemory), endedBefore: undefined };
  if (endedBefore !== undefined && below !== undefined)
    return { below: Number(below), endedBefore: Number(endedBefore) };
  throw new BindingError("invalid_argument", "the page token is none of this list; begin anew");
}

/** Handled at once, or a duplicate, of which there may be as many. */
function isOrdinary({ attempts, event }: Entry, { how }: End): boolean {
  if (attempts !== undefined || event.redelivered === true) return false;
  return how === "handled" || how === "duplicate";
}

function fingerprint({ component, source, receivedAt, endedAt, end }: HistoryRecord): string {
  return [component, source, receivedAt, endedAt, end].join(" ");
}
