import { BindingError, messageOf } from "../../errors.ts";
import { faultPoints, reach } from "../../fault-point.ts";
import type {
  DeadLetter,
  DeadLetterFilter,
  ImportOutcome,
  ListedDeadLetter,
  StoredDeadLetter,
} from "../../store/records.ts";
import type { DeadLetterStore, DeadLetterTotal } from "../../store/store.ts";
import { LetterClaims, type SharedClaims } from "./letter-claims.ts";
import { redriveToOutput, type OutputTarget } from "./redrive-target.ts";
import { RedriveRun, type RedriveProgress, type RedriveResult } from "./redrive-run.ts";
import type { Runtime } from "../runtime.ts";
import type { RuntimeLogger } from "../runtime-logger.ts";
import type { Tracer } from "../tracer.ts";

export type DeadLetterManagerOptions = {
  readonly store: DeadLetterStore;
  /**
   * Has a dead letter's event handled by the handler of its component, by that component's policy. Where that
   * fails, the dead letter in the store says so. Rejects with a `BindingError` when it cannot be tried now. An
   * aborted signal cancels it, unless the app has it.
   */
  readonly redrive: Runtime["redrive"];
  /** Runs an output's operation. */
  readonly invoke: Runtime["invoke"];
  /** Told of each dead letter that was removed. */
  readonly deadLetterRemoved?: Runtime["deadLetterRemoved"];
  readonly logger: RuntimeLogger;
  /** Absent: no other replica has the store. */
  readonly shared?: Omit<SharedClaims, "logger"> | undefined;
  /** Absent: nothing is traced. */
  readonly tracer?: Tracer | undefined;
};

/** Which dead letters are meant: those that a filter names, or every one, which must be said. */
export type Selection = { readonly filter: DeadLetterFilter; readonly all: boolean };

/** A change of a dead letter's event: what is named is replaced, by `undefined` where it is taken away. */
export type DeadLetterChange = Partial<
  Pick<DeadLetter["event"], "data" | "headers" | "metadata" | "key">
>;

/** What happened to the dead letters of a component since the start. */
export type DeadLetterCounts = {
  /** Redriven, handled and so removed. */
  handled: number;
  /** Redriven, and refused again. */
  refused: number;
  /** Removed by somebody. */
  dropped: number;
  /** Removed by the store's retention. */
  expired: number;
};

/** What became of dead letters that were imported. */
export type ImportCounts = {
  readonly imported: number;
  readonly present: number;
  readonly expired: number;
};

export type RedriveOptions = {
  /** At most so many begin in a second. Absent: as fast as they are handled. */
  readonly rate?: number | undefined;
  /** Absent: each goes to the handler of its component. */
  readonly to?: OutputTarget | undefined;
  /** Aborted: no further one begins. */
  readonly signal: AbortSignal;
};

/** How many dead letters are read at one time. */
const page = 100;
/** How many ids go into one question to the store. */
const idsAtOnce = 500;

/**
 * Where dead letters are looked at and dealt with. One thing at a time is done to a dead letter, and it is
 * removed only after its event was handled: whatever ends the process in between, it is still there.
 */
export class DeadLetterManager {
  readonly #options: DeadLetterManagerOptions;
  /** Dead letters that something is being done to. */
  readonly #claims: LetterClaims;
  /** Dead letters whose events were handled, but which the store could not remove. */
  readonly #handled = new Set<string>();
  readonly #counts = new Map<string, DeadLetterCounts>();

  constructor(options: DeadLetterManagerOptions) {
    this.#options = options;
    const { shared, logger } = options;
    this.#claims = new LetterClaims(shared && { ...shared, logger });
  }

  /** Since the start, by component. */
  get counts(): ReadonlyMap<string, Readonly<DeadLetterCounts>> {
    return this.#counts;
  }

  /** Those that are in the store now, by component. */
  totals(): Promise<DeadLetterTotal[]> {
    return this.#options.store.totals();
  }

  /**
   * Oldest first, at most `limit`, after the one with the id `after`, without payloads larger than `maxData`
   * bytes. Ends sooner once they hold about `maxBytes`; `more`: there are others behind.
   */
  async list(
    filter: DeadLetterFilter,
    options: { limit: number; after?: string | undefined; maxData: number; maxBytes: number },
  ): Promise<{ deadLetters: ListedDeadLetter[]; more: boolean }> {
    const { limit, maxData, maxBytes } = options;
    const deadLetters: ListedDeadLetter[] = [];
    let { after } = options;
    for (let bytes = 0; ;) {
      // One more than wanted tells whether there are more.
      const wanted = Math.min(page, limit - deadLetters.length + 1);
      const found = await this.#options.store.list(filter, { limit: wanted, after, maxData });
      for (const deadLetter of found) {
        bytes += weightOf(deadLetter);
        const full = deadLetters.length >= limit || (bytes > maxBytes && deadLetters.length > 0);
        if (full) return { deadLetters, more: true };
        deadLetters.push(deadLetter);
      }
      if (found.length < wanted) return { deadLetters, more: false };
      after = found.at(-1)?.id;
    }
  }

  /** The dead letter, whole. */
  async get(id: string): Promise<StoredDeadLetter> {
    const deadLetter = await this.#options.store.get(id);
    if (deadLetter === undefined) throw unknown(id);
    return deadLetter;
  }

  /** Whether something is being done to it at this moment. */
  isClaimed(id: string): boolean {
    return this.#claims.has(id);
  }

  /** Changes a dead letter's event. */
  async edit(id: string, change: DeadLetterChange): Promise<StoredDeadLetter> {
    const taken = await this.#claims.take(id);
    if (taken !== undefined) {
      const text = `dead letter ${id}: ${taken}; edit it when that has ended`;
      throw new BindingError("aborted", text);
    }
    try {
      const deadLetter = await this.get(id);
      const event = { ...deadLetter.event, ...change };
      // Two keys are the same only if they are of the same kind.
      if (typeof deadLetter.event.key === "string" && event.key instanceof Uint8Array)
        event.key = Buffer.from(event.key).toString();
      const edited = { ...deadLetter, event, edited: true };
      if (!(await this.#options.store.replace(edited))) throw unknown(id);
      this.#handled.delete(id);
      const fields = {
        component: deadLetter.component,
        deadLetter: id,
        changed: Object.keys(change),
      };
      this.#options.logger.info(fields, "dead letter edited");
      return edited;
    } finally {
      await this.#claims.release(id);
    }
  }

  /**
   * Has dead letters handled again, oldest first, and tells how that goes. Up to 64 are under way at one time;
   * those that have begun end by themselves when nobody listens any more.
   */
  async *redrive(selection: Selection, options: RedriveOptions): AsyncGenerator<RedriveProgress> {
    const { rate, to, signal } = options;
    if (rate !== undefined && !(rate > 0 && Number.isFinite(rate))) {
      throw new BindingError("invalid_argument", `a rate of ${rate} a second is not above 0`);
    }
    const ids = await this.#select(selection);
    const { logger } = this.#options;
    const pace = rate === undefined ? undefined : `${rate}/s`;
    if (ids.length > 0)
      logger.info({ deadLetters: ids.length, rate: pace, to }, "redriving dead letters");
    const run = new RedriveRun({
      ids,
      rate,
      signal,
      read: (id) => this.#beginRedrive(id),
      // An output knows nothing of lanes: dead letters of one key go there one after another.
      laneOf: to === undefined ? () => undefined : laneOf,
      redrive: (deadLetter) => this.#redrive(deadLetter, to, signal),
    });
    yield* run.progress();
    if (ids.length > 0) logger.info({ ...run.totals }, "redriving dead letters has ended");
  }

  /** Removes dead letters for good, but not those that are being redriven. `countOnly`: removes none. */
  async drop(
    selection: Selection,
    options: { countOnly?: boolean } = {},
  ): Promise<{ dropped: number; skipped: number }> {
    const ids = await this.#select(selection);
    let dropped = 0;
    let skipped = 0;
    for (let at = 0; at < ids.length; at += page) {
      const known = await this.#options.store.list(
        { ids: ids.slice(at, at + page) },
        { limit: page, maxData: 0 },
      );
      const free = await Promise.all(
        known.map(async ({ id }) =>
          options.countOnly ? !this.#claims.has(id) : (await this.#claims.take(id)) === undefined,
        ),
      );
      const mine = known.filter((_, index) => free[index]);
      skipped += known.length - mine.length;
      dropped += options.countOnly ? mine.length : await this.#remove(mine);
    }
    return { dropped, skipped };
  }

  /**
   * Keeps dead letters that were taken out of a store, under their ids. `present`: so many were there already;
   * `expired`: so many are older than they are kept. Rejects when there is no room for more; again, it goes on there.
   */
  async import(deadLetters: readonly StoredDeadLetter[]): Promise<ImportCounts> {
    const outcomes = await Promise.all(
      deadLetters.map((deadLetter) => this.#options.store.import(deadLetter)),
    );
    const counted = (outcome: ImportOutcome): number =>
      outcomes.filter((one) => one === outcome).length;
    const imported = counted("imported");
    if (imported > 0) {
      this.#options.logger.info({ deadLetters: imported }, "dead letters imported");
    }
    if (outcomes.includes("full")) {
      const text =
        "the runtime keeps no more dead letters, and removes none for those that are imported; raise --dead-letters-max-count and --dead-letters-max-bytes";
      throw new BindingError("resource_exhausted", text);
    }
    return { imported, present: counted("present"), expired: counted("expired") };
  }

  /** Counts what the store's retention has removed. */
  expired(component: string, count: number): void {
    this.#countsOf(component).expired += count;
  }

  /** Claims and reads a dead letter; `skipped` where that cannot be. */
  async #beginRedrive(id: string): Promise<DeadLetter | RedriveResult> {
    const left = { id, component: "", eventId: undefined, outcome: "skipped" } as const;
    try {
      const taken = await this.#claims.take(id);
      if (taken !== undefined) return { ...left, reason: taken };
      const deadLetter = await this.#options.store.get(id);
      if (deadLetter !== undefined) return deadLetter;
      await this.#claims.release(id);
      return { ...left, reason: "there is no longer a dead letter with that id" };
    } catch (error) {
      await this.#claims.release(id);
      return { ...left, outcome: "refused", reason: messageOf(error) };
    }
  }

  /** Has a claimed dead letter handled, and removes it then. Never rejects. */
  async #redrive(
    deadLetter: DeadLetter,
    to: OutputTarget | undefined,
    signal: AbortSignal,
  ): Promise<RedriveResult> {
    const { id, component } = deadLetter;
    const about = { id, component, eventId: deadLetter.event.id };
    const { store, invoke, redrive, tracer } = this.#options;
    try {
      if (!this.#handled.has(id)) {
        const { outcome, reason } = await (to === undefined
          ? redrive(deadLetter, signal)
          : redriveToOutput(deadLetter, to, { store, invoke, tracer }));
        if (outcome === "refused" && signal.aborted) {
          const ended = "the redrive was ended before it was handled";
          return { ...about, outcome: "skipped", reason: `${ended}: ${reason}` };
        }
        if (outcome === "refused") {
          this.#countsOf(component).refused++;
          return { ...about, outcome, reason };
        }
        this.#countsOf(component).handled++;
        this.#handled.add(id);
        if (faultPoints) reach("redrive handled");
      }
      return { ...about, outcome: "handled", reason: await this.#forget(deadLetter) };
    } catch (error) {
      return { ...about, outcome: "refused", reason: messageOf(error) };
    } finally {
      await this.#claims.release(id);
    }
  }

  /** Removes a dead letter that was handled. Resolves to what a person should know where that failed. */
  async #forget(deadLetter: DeadLetter): Promise<string> {
    const { id } = deadLetter;
    try {
      await this.#options.store.remove([id]);
      this.#handled.delete(id);
      this.#options.deadLetterRemoved?.(deadLetter);
      return "";
    } catch (error) {
      return `it was handled, but is still stored; redriving it again removes it, unless the runtime was restarted: ${messageOf(error)}`;
    }
  }

  async #remove(deadLetters: readonly DeadLetter[]): Promise<number> {
    let removed = 0;
    try {
      for (const [component, of] of Map.groupBy(deadLetters, (one) => one.component)) {
        const ids = of.map(({ id }) => id);
        const count = await this.#options.store.remove(ids);
        for (const deadLetter of of) {
          this.#handled.delete(deadLetter.id);
          this.#options.deadLetterRemoved?.(deadLetter);
        }
        this.#countsOf(component).dropped += count;
        this.#options.logger.warn({ component, deadLetters: count }, "dead letters dropped");
        removed += count;
      }
      return removed;
    } finally {
      await Promise.all(deadLetters.map(({ id }) => this.#claims.release(id)));
    }
  }

  /** The ids of the dead letters that are there now: those that come meanwhile are not meant. */
  async #select({ filter, all }: Selection): Promise<string[]> {
    const { ids, ...rest } = filter;
    const isNarrowed = Object.values(rest).some((one) => one !== undefined);
    if (all && (isNarrowed || ids !== undefined)) {
      throw new BindingError(
        "invalid_argument",
        "say which dead letters are meant, or all of them",
      );
    }
    if (!all && !isNarrowed && ids === undefined) {
      throw new BindingError("invalid_argument", "say which dead letters are meant");
    }
    const wanted = ids === undefined ? undefined : [...new Set(ids)];
    if (wanted === undefined) return this.#idsOf(rest);
    if (!isNarrowed) return wanted;
    const found: string[] = [];
    for (let at = 0; at < wanted.length; at += idsAtOnce) {
      found.push(...(await this.#idsOf({ ...rest, ids: wanted.slice(at, at + idsAtOnce) })));
    }
    return found;
  }

  async #idsOf(filter: DeadLetterFilter): Promise<string[]> {
    const ids: string[] = [];
    for (;;) {
      const after = ids.at(-1);
      const found = await this.#options.store.list(filter, { limit: page, after, maxData: 0 });
      for (const { id } of found) ids.push(id);
      if (found.length < page) return ids;
    }
  }

  #countsOf(component: string): DeadLetterCounts {
    let counts = this.#counts.get(component);
    if (counts === undefined) {
      counts = { handled: 0, refused: 0, dropped: 0, expired: 0 };
      this.#counts.set(component, counts);
    }
    return counts;
  }
}

/** What one takes in a message, about. */
function weightOf({ event, reason, attempts }: DeadLetter): number {
  const headers = event.headers.reduce(
    (sum, { name, value }) => sum + name.length + value.length,
    0,
  );
  const answers = attempts.reduce((sum, { answer }) => sum + 32 + answer.length, 0);
  return 256 + reason.length + (event.data?.length ?? 0) + headers + answers;
}

/** Dead letters whose events must stay in order have the same. */
function laneOf({ component, event: { key } }: DeadLetter): string | undefined {
  if (key === undefined) return undefined;
  return `${component}\n${typeof key === "string" ? key : Buffer.from(key).toString("latin1")}`;
}

function unknown(id: string): BindingError {
  return new BindingError("not_found", `there is no dead letter ${id}`);
}
