import type { Client } from "@connectrpc/connect";
import {
  DeadLetters,
  type DeadLetterRecord,
  type RedriveDeadLettersResponse,
  type RedriveResult as WireResult,
} from "../../gen/cufflink/v1/dead_letters_pb.ts";
import { BindingError } from "../errors.ts";
import type {
  DeadLetterChange,
  ImportCounts,
  RedriveOptions,
  Selection,
} from "../runtime/records/dead-letters.ts";
import type { RedriveProgress, RedriveResult } from "../runtime/records/redrive-run.ts";
import type { DeadLetterFilter } from "../store/records.ts";
import type { DeadLetterTotal } from "../store/store.ts";
import type { Caller } from "./caller.ts";
import { redriveOutcomes } from "./dead-letters.ts";
import {
  bytesOf,
  fromFilter,
  millisecondsOf,
  own,
  toDeadLetter,
  wordOf,
  type ShownDeadLetter,
} from "./records.ts";

/** A dead letter that is there and could not be read. */
export type Unexported = { readonly id: string; readonly error: BindingError };

/** The dead letters of a running runtime. Each call rejects with a `BindingError`. */
export class DeadLettersClient {
  readonly #caller: Caller;
  readonly #client: Client<typeof DeadLetters>;

  constructor(caller: Caller) {
    this.#caller = caller;
    this.#client = caller.client(DeadLetters);
  }

  /** A page, oldest first; `next`: where the following one begins, if there is one. */
  async list(
    filter: DeadLetterFilter,
    page: { limit: number; after?: string | undefined },
  ): Promise<{ deadLetters: ShownDeadLetter[]; next: string | undefined }> {
    const request = {
      filter: fromFilter(filter),
      pageSize: page.limit,
      pageToken: page.after ?? "",
    };
    const { deadLetters, nextPageToken } = await this.#caller.call((options) =>
      this.#client.listDeadLetters(request, options),
    );
    return { deadLetters: deadLetters.map(toDeadLetter), next: nextPageToken || undefined };
  }

  /** One, whole. */
  async get(id: string): Promise<ShownDeadLetter> {
    const { deadLetter } = await this.#caller.call((options) =>
      this.#client.getDeadLetter({ id }, options),
    );
    return shown(deadLetter);
  }

  /** How many there are, per component. */
  async totals(): Promise<DeadLetterTotal[]> {
    const { totals } = await this.#caller.call((options) =>
      this.#client.listDeadLetterTotals({}, options),
    );
    return totals.map(({ component, count, bytes, oldest }) => ({
      ...{ component, count: Number(count), bytes: Number(bytes) },
      oldest: millisecondsOf(oldest),
    }));
  }

  /**
   * All that the filter names, whole, oldest first; a page of them is held at one time. One that cannot be had comes
   * as its id and the error; one that is removed meanwhile is left out.
   */
  async *export(filter: DeadLetterFilter): AsyncGenerator<DeadLetterRecord | Unexported> {
    for (let pageToken = ""; ;) {
      const request = { filter: fromFilter(filter), pageToken, maxDataSize: largestInPage };
      const page = await this.#caller.call((options) =>
        this.#client.listDeadLetters(request, options),
      );
      for (const record of page.deadLetters) {
        const whole = record.dataOmitted ? await this.#whole(record.id) : record;
        if (whole !== undefined) yield whole;
      }
      if (page.nextPageToken === "") return;
      pageToken = page.nextPageToken;
    }
  }

  async #whole(id: string): Promise<DeadLetterRecord | Unexported | undefined> {
    try {
      return (await this.#caller.call((options) => this.#client.getDeadLetter({ id }, options)))
        .deadLetter;
    } catch (error) {
      const failure = BindingError.from(error);
      if (failure.reason === "not_found") return undefined;
      if (failure.reason === "unavailable") throw failure;
      return { id, error: failure };
    }
  }

  /** Stores dead letters under their ids; those that are there already are left as they are. */
  async import(deadLetters: readonly DeadLetterRecord[]): Promise<ImportCounts> {
    const { imported, present, expired } = await this.#caller.call((options) =>
      this.#client.importDeadLetters({ deadLetters: [...deadLetters] }, options),
    );
    return { imported: Number(imported), present: Number(present), expired: Number(expired) };
  }

  /** Changes its event. */
  async edit(id: string, change: DeadLetterChange): Promise<ShownDeadLetter> {
    const { data, headers = [], key, metadata = {} } = change;
    const request = {
      id,
      event: {
        headers: headers.map(({ name, value }) => ({ name, value: own(value) })),
        ...(data && { data: own(data) }),
        ...(key !== undefined && { key: own(bytesOf(key)) }),
      },
      metadata: { ...metadata },
      updateMask: { paths: Object.keys(change) },
    };
    const { deadLetter } = await this.#caller.call((options) =>
      this.#client.editDeadLetter(request, options),
    );
    return shown(deadLetter);
  }

  /** Has them handled again, and tells how that goes. When the signal aborts, no further one begins. */
  async *redrive(
    { filter, all }: Selection,
    { rate = 0, to, signal }: RedriveOptions,
  ): AsyncGenerator<RedriveProgress> {
    const request = {
      ...{ filter: fromFilter(filter), all, rate },
      ...(to && { to: { ...to, metadata: { ...to.metadata } } }),
    };
    const responses = this.#caller.stream(
      (options) => this.#client.redriveDeadLetters(request, options),
      signal,
    );
    for await (const response of responses) yield toProgress(response);
  }

  /** Removes them for good, or says how many that would be. */
  async drop(
    { filter, all }: Selection,
    { countOnly = false }: { countOnly?: boolean } = {},
  ): Promise<{ dropped: number; skipped: number }> {
    const request = { filter: fromFilter(filter), all, validateOnly: countOnly };
    const { dropped, skipped } = await this.#caller.call((options) =>
      this.#client.dropDeadLetters(request, options),
    );
    return { dropped: Number(dropped), skipped: Number(skipped) };
  }
}

/** What is read of larger payloads at one time is one. */
const largestInPage = 16 * 1024;

function shown(record: DeadLetterRecord | undefined): ShownDeadLetter {
  if (record !== undefined) return toDeadLetter(record);
  throw new BindingError("internal", "the runtime's answer has no dead letter");
}

function toProgress({ result, totals }: RedriveDeadLettersResponse): RedriveProgress {
  const { matched = 0n, handled = 0n, refused = 0n, skipped = 0n } = totals ?? {};
  return {
    result: result && toResult(result),
    totals: {
      matched: Number(matched),
      handled: Number(handled),
      refused: Number(refused),
      skipped: Number(skipped),
    },
  };
}

function toResult({ id, component, eventId, outcome, reason }: WireResult): RedriveResult {
  return {
    ...{ id, component, eventId: eventId || undefined, reason },
    outcome: wordOf(redriveOutcomes, outcome, "skipped"),
  };
}
