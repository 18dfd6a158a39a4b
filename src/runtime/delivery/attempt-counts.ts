import { clock } from "../../clock.ts";
import type { InboundEvent, Logger } from "../../binding.ts";
import { messageOf } from "../../errors.ts";
import type { AttemptCount, DeadLetter } from "../../store/records.ts";
import type { AttemptStore } from "../../store/store.ts";
import type { Entry } from "./entry.ts";
import { fingerprintOf, identityOf, type Identity } from "./identity.ts";
import { FailFastTimeout } from "../fail-fast-timeout.ts";

/** As many marks as the store loads; an older event that comes again is attempted once more. */
const mostKnown = 10_000;
type Known = AttemptCount & {
  /** The event was to wait for its next attempt until then, by `performance.now()`. */
  readonly notBefore?: number;
};

const unknownError = "the runtime ended while the app had the event";

/**
 * How many attempts at the events of one component have begun, from the second on: noted before the attempt
 * begins, so that an event which ends the process each time counts too. What the store cannot take is
 * told once, and delivery goes on.
 */
export class AttemptCounts {
  readonly #store: AttemptStore | undefined;
  readonly #component: string;
  readonly #logger: Logger;
  /** By the event's id, or by its fingerprint where it has none: those may be several equal events. */
  readonly #known = new Map<string, Known[]>();
  readonly #timeout = new FailFastTimeout();
  #inTrouble = false;

  /** Without a store nothing is kept, and nothing is said about it. */
  constructor(store: AttemptStore | undefined, component: string, logger: Logger) {
    this.#store = store;
    this.#component = component;
    this.#logger = logger;
  }

  /** Takes up what was noted earlier, and what other threads note from now on. */
  async load(): Promise<void> {
    this.#store?.follow?.(this.#component, (count) => {
      if (count === undefined) void this.#load();
      else this.#keep(keyOf(count), count);
    });
    await this.#load();
  }

  async #load(): Promise<void> {
    try {
      const counts = (await this.#store?.load(this.#component)) ?? [];
      for (const count of counts.toReversed()) this.#keep(keyOf(count), count);
    } catch (error) {
      this.#tell(error, "earlier attempts cannot be read; failed events are counted from zero");
    }
  }

  /** Whether `find` may find anything: it costs a digest for each event without an id. */
  get some(): boolean {
    return this.#known.size > 0;
  }

  /** What is known of an event that comes in. One without an id takes it along: its equals are others. */
  find(event: InboundEvent): Known | undefined {
    if (event.redelivered === false) return undefined;
    if (event.id !== undefined && !this.#known.has(event.id)) return undefined;
    const fingerprint = fingerprintOf(event);
    const key = event.id ?? fingerprint;
    const counts = this.#known.get(key);
    const index = counts?.findIndex((count) => count.fingerprint === fingerprint) ?? -1;
    const found = counts?.[index];
    if (found === undefined || counts === undefined) return undefined;
    if (event.id === undefined) {
      counts.splice(index, 1);
      if (counts.length === 0) this.#known.delete(key);
    }
    return found.lastError === "" ? { ...found, lastError: unknownError } : found;
  }

  /** Whether the next attempt is to be noted first. */
  mustNote(entry: Entry): boolean {
    if (this.#store === undefined || entry.failed === 0 || entry.redriven !== undefined)
      return false;
    return entry.noted <= entry.failed;
  }

  /** Notes that the next attempt begins. Never rejects. */
  async note(entry: Entry): Promise<void> {
    entry.noted = entry.failed + 1;
    await this.#write(entry, entry.noted);
  }

  /** The event is done with, or begins anew. */
  forget(entry: Entry): void {
    const { identity } = entry;
    if (identity === undefined || (entry.noted === 0 && !this.#known.has(identity.identity)))
      return;
    this.#known.delete(identity.identity);
    this.#store?.forget(this.#component, [identity.identity]);
  }

  /** The store has marked it with the dead letter; its source may not hear of it, and deliver it again. */
  deadLettered(entry: Entry): void {
    if (entry.event.id !== undefined)
      this.#keep(entry.event.id, { ...countOf(entry, entry.failed), deadLettered: true });
  }

  /** Its source has been told that the event, now in the dead letters, is handled. */
  deadLetterAcknowledged(entry: Entry): void {
    const { identity, fingerprint } = identify(entry);
    if (entry.event.id !== undefined)
      this.#keep(identity, { ...countOf(entry, entry.failed), deadLettered: true, told: true });
    this.#store?.told(this.#component, identity, fingerprint);
  }

  /**
   * A dead letter's event was handled, or dropped: should it come again, it is attempted. But not where its source
   * may not have been told yet: that would have it handled twice, and it becomes a dead letter once more.
   */
  deadLetterRemoved({ identity }: DeadLetter): void {
    const key = this.#known.has(identity) ? identity : identity.split("/", 1).join();
    const counts = this.#known.get(key);
    const left = counts?.filter((one) => one.identity !== identity || !one.told) ?? [];
    if (left.length > 0) this.#known.set(key, left);
    else this.#known.delete(key);
  }

  /**
   * It goes back to its source. An attempt that was noted and never went out is undone; a first one that has
   * failed is noted now. One that is exhausted begins anew, unless it only could not be put where it belongs.
   */
  returned(entry: Entry): void {
    const { failed, noted, exhausted, leaseExpired, pause } = entry;
    const comesBack =
      leaseExpired && failed > 0 && (exhausted === undefined || pause !== undefined);
    const isKept = comesBack || noted > failed || exhausted === undefined;
    if (this.#store !== undefined && noted !== failed && isKept) void this.#write(entry, failed);
    if (!comesBack) return;
    const notBefore = pause === undefined ? {} : { notBefore: clock.elapsed() + pause };
    const count = countOf(entry, failed);
    this.#keep(keyOf(count), { ...count, ...notBefore });
  }

  async #write(entry: Entry, begun: number): Promise<void> {
    const count = countOf(entry, begun);
    if (entry.event.id !== undefined) this.#keep(entry.event.id, count);
    try {
      const store = this.#store;
      await this.#timeout.run(async () => store?.begin(this.#component, count));
      this.#inTrouble = false;
    } catch (error) {
      this.#tell(error, "attempts cannot be stored; a restart counts them from zero");
    }
  }

  #keep(key: string, count: Known): void {
    const others = this.#known.get(key)?.filter((one) => one.identity !== count.identity) ?? [];
    this.#known.delete(key);
    this.#known.set(key, [...others, count]);
    if (this.#known.size <= mostKnown) return;
    for (const oldest of this.#known.keys()) return void this.#known.delete(oldest);
  }

  #tell(error: unknown, message: string): void {
    if (this.#inTrouble) return;
    this.#inTrouble = true;
    this.#logger.warn({ reason: messageOf(error) }, message);
  }
}

/** The entry's identity, worked out at the first question. */
export function identify(entry: Entry): Identity {
  return (entry.identity ??= identityOf(entry.event));
}

function countOf(entry: Entry, begun: number): AttemptCount {
  return { ...identify(entry), begun, lastError: entry.lastError ?? "", deadLettered: false };
}

/** Identities made of a fingerprint begin with it, and a slash. */
function keyOf({ identity, fingerprint }: AttemptCount): string {
  return identity.startsWith(`${fingerprint}/`) ? fingerprint : identity;
}
