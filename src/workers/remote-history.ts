import type { InboundEvent } from "../binding.ts";
import type { Logger } from "../logger.ts";
import type { Entry } from "../runtime/delivery/entry.ts";
import type { End } from "../runtime/records/history-ring.ts";
import { History } from "../runtime/records/history.ts";

/** An event that has ended in a worker. Times are those of its thread, see {@link readEnded}. */
export type Ended = Pick<
  Entry,
  "since" | "attemptedAt" | "took" | "attempts" | "renewals" | "failedRenewals" | "traceId"
> & {
  readonly component: string;
  readonly end: End;
  readonly now: number;
  readonly source: string;
  readonly traceparent: string | undefined;
  /** With what a person who watches sees; else its identity alone. */
  readonly event: Pick<
    InboundEvent,
    "id" | "redelivered" | "data" | "metadata" | "headers" | "key"
  >;
};

/** Events that have ended go to the parent together, at the latest after this many milliseconds. */
const gathering = 20;
const gatheredAtOnce = 500;

/** Tells the parent what became of the events, which remembers that of all workers. */
export class RemoteHistory extends History {
  /** Somebody watches the events' payloads. */
  isWatched = false;
  readonly #send: (events: readonly Ended[]) => void;
  #gathered: Ended[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(send: (events: readonly Ended[]) => void, logger: Logger) {
    super(undefined, logger, { keeps: false });
    this.#send = send;
  }

  override record(component: string, entry: Entry, end: End, now: number): void {
    const { since, took, attempts, renewals, failedRenewals, traceId, event } = entry;
    const { id, redelivered, data, metadata, headers, key } = event;
    const attemptedAt = entry.attemptedAt === 0 ? 0 : entry.attemptedAt + performance.timeOrigin;
    this.#gathered.push({
      ...{ component, end, now, since, attemptedAt, took, attempts, renewals, failedRenewals },
      ...{ traceId, traceparent: entry.trace["traceparent"], source: entry.window.source },
      event: {
        id,
        ...(redelivered !== undefined && { redelivered }),
        ...(this.isWatched
          ? {
              ...{ metadata, key: typeof key === "object" ? new Uint8Array(key) : key },
              data: data && new Uint8Array(data),
              headers: headers.map(({ name, value }) => ({ name, value: new Uint8Array(value) })),
            }
          : { data: undefined, metadata: {}, headers: [], key: undefined }),
      },
    });
    if (this.#gathered.length >= gatheredAtOnce) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), gathering);
  }

  override async flush(): Promise<void> {
    this.#flush();
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const events = this.#gathered;
    this.#gathered = [];
    if (events.length > 0) this.#send(events);
  }
}

/** Notes an event of a worker in the history of the process. */
export function recordEnded(history: History, ended: Ended): void {
  const { component, end, now, source, traceparent, attemptedAt, ...rest } = ended;
  const entry = {
    ...rest,
    attemptedAt: attemptedAt === 0 ? 0 : attemptedAt - performance.timeOrigin,
    window: { source },
    trace: traceparent === undefined ? {} : { traceparent },
  };
  // What history reads of an entry is all here.
  history.record(component, entry as unknown as Entry, end, now);
}
