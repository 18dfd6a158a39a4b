import type { Client } from "@connectrpc/connect";
import { History, type TailedEvent } from "../../gen/cufflink/v1/history_pb.ts";
import type { UnfinishedEvent } from "../runtime/status.ts";
import type { HistoryRecord } from "../store/records.ts";
import type { Caller } from "./caller.ts";
import { ends, toHistory, toUnfinished } from "./records.ts";

/** How an event can end, in words. */
export type EventEndWord = keyof typeof ends;

/** An event that has come to its end, as it is watched. */
export type WatchedEvent = {
  readonly record: HistoryRecord;
  /** The payload, its first bytes where it is larger; `undefined`: null. */
  readonly data: Uint8Array | undefined;
  /** Bytes of the whole payload. */
  readonly dataSize: number;
  readonly key: Uint8Array | undefined;
  readonly metadata: Readonly<Record<string, string>>;
};

/** What a running runtime knows of events. Each call rejects with a `BindingError`. */
export class HistoryClient {
  readonly #caller: Caller;
  readonly #history: Client<typeof History>;

  constructor(caller: Caller) {
    this.#caller = caller;
    this.#history = caller.client(History);
  }

  /**
   * Events with an identity or a trace id, or the one that a dead letter was made of: what became of them, newest first, and where
   * they are, oldest first.
   */
  async explain(
    of: { readonly event: string } | { readonly deadLetter: string },
    component: string | undefined,
  ): Promise<{ records: HistoryRecord[]; unfinished: UnfinishedEvent[] }> {
    const request = {
      ...("event" in of ? { eventId: of.event } : { deadLetterId: of.deadLetter }),
      component: component ?? "",
    };
    const { records, unfinished } = await this.#caller.call((options) =>
      this.#history.explainEvent(request, options),
    );
    return { records: records.map(toHistory), unfinished: unfinished.map(toUnfinished) };
  }

  /** The last events, newest first, at most so many. */
  async list(asked: {
    readonly component: string | undefined;
    readonly ends: readonly EventEndWord[];
    readonly limit: number;
  }): Promise<HistoryRecord[]> {
    const { component = "", limit } = asked;
    const found: HistoryRecord[] = [];
    let pageToken = "";
    do {
      const request = {
        ...{ component, ends: asked.ends.map((word) => ends[word]), pageToken },
        pageSize: limit - found.length,
      };
      const { records, nextPageToken } = await this.#caller.call((options) =>
        this.#history.listEvents(request, options),
      );
      found.push(...records.map(toHistory));
      pageToken = nextPageToken;
    } while (pageToken !== "" && found.length < limit);
    return found;
  }

  /** Events as they end, and how many were left out before each, until the signal aborts. */
  async *tail(
    asked: {
      readonly component: string | undefined;
      readonly rate: number;
      readonly maxData: number;
    },
    signal: AbortSignal,
  ): AsyncGenerator<{ event: WatchedEvent | undefined; leftOut: number }> {
    const { component = "", rate, maxData: maxDataSize } = asked;
    const stream = this.#caller.stream(
      (options) => this.#history.tailEvents({ component, rate, maxDataSize }, options),
      signal,
    );
    for await (const { event, leftOut } of stream)
      yield { event: event && watched(event), leftOut: Number(leftOut) };
  }
}

function watched({ record, data, dataSize, key, metadata }: TailedEvent): WatchedEvent | undefined {
  if (record === undefined) return undefined;
  return { record: toHistory(record), data, dataSize: Number(dataSize), key, metadata };
}
