import type {
  DeadLetterManager,
  DeadLetterChange,
  RedriveOptions,
} from "../runtime/records/dead-letters.ts";
import type { RedriveResult } from "../runtime/records/redrive-run.ts";
import type { DeadLetter, DeadLetterFilter } from "../store/records.ts";
import type { DeadLetterTotal } from "../store/store.ts";

/** The dead letters of a runtime in this process. Every call may reject with a `BindingError`. */
export type EmbeddedDeadLetters = {
  /**
   * Oldest first, whole, at most `limit` (default 100), after the one with the id `after`. Ends sooner once they
   * hold about 64 MiB; `more`: there are others behind.
   */
  list(
    filter?: DeadLetterFilter,
    page?: { readonly limit?: number; readonly after?: string },
  ): Promise<{ readonly deadLetters: readonly DeadLetter[]; readonly more: boolean }>;
  get(id: string): Promise<DeadLetter>;
  /** How many there are of each component, how many bytes they take, and when the oldest was stored (ms since 1970). */
  totals(): Promise<readonly DeadLetterTotal[]>;
  /** Changes a dead letter's event: what is named is replaced, by `undefined` where it is taken away. */
  edit(id: string, change: DeadLetterChange): Promise<DeadLetter>;
  /**
   * Has their events handled again, oldest first, and removes those that were; resolves to what came of each.
   * Once the signal is aborted no further one begins.
   */
  redrive(
    which: DeadLetterFilter | "all",
    options?: Partial<RedriveOptions>,
  ): Promise<readonly RedriveResult[]>;
  /** Removes them for good, but those that are being redriven. */
  drop(
    which: DeadLetterFilter | "all",
  ): Promise<{ readonly dropped: number; readonly skipped: number }>;
};

const mostBytes = 64 * 1024 * 1024;

/** The same manager as an operator's, with less to say. */
export function embeddedDeadLetters(manager: DeadLetterManager): EmbeddedDeadLetters {
  const selected = (which: DeadLetterFilter | "all") =>
    which === "all" ? { filter: {}, all: true } : { filter: which, all: false };
  return {
    list: (filter = {}, { limit = 100, after } = {}) =>
      manager.list(filter, { limit, after, maxData: mostBytes, maxBytes: mostBytes }),
    get: (id) => manager.get(id),
    totals: () => manager.totals(),
    edit: (id, change) => manager.edit(id, change),
    async redrive(which, { signal = new AbortController().signal, ...options } = {}) {
      const results: RedriveResult[] = [];
      for await (const { result } of manager.redrive(selected(which), { ...options, signal }))
        if (result !== undefined) results.push(result);
      return results;
    },
    drop: (which) => manager.drop(selected(which)),
  };
}
