import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  History,
  type EventEnd,
  type ListEventsRequest,
  type TailEventsRequest,
  type TailEventsResponseSchema,
} from "../../gen/cufflink/v1/history_pb.ts";
import { createService, type Service } from "../grpc/service.ts";
import { Code, GrpcFailure } from "../grpc/status.ts";
import type { Operator } from "../runtime/operator.ts";
import type { HistoryPage } from "../runtime/records/history.ts";
import type { Tailed } from "../runtime/records/tails.ts";
import type { HistoryRecord } from "../store/records.ts";
import { answering, answeringEach } from "./errors.ts";
import { bytesOf, ends, fromHistory, fromUnfinished, own } from "./records.ts";

const usualPage = 100;
const longestPage = 1000;
const usualRate = 20;
const highestRate = 200;
const usualMaxData = 4096;
const largestMaxData = 65_536;

type HistoryServiceOptions = Pick<Operator, "history" | "unfinished"> & {
  /** What is known of a dead letter that is there. Rejects where there is none. */
  readonly deadLetter: (
    id: string,
  ) => Promise<{ readonly component: string; readonly eventId: string; readonly traceId: string }>;
  /** Aborted when the server closes. */
  readonly closing: AbortSignal;
};

/** `cufflink.v1.History`: what became of events, and where those are that have not ended. */
export function historyService(options: HistoryServiceOptions): Service {
  const { history, unfinished, closing } = options;
  return createService(History, {
    explainEvent: ({ eventId, component, deadLetterId }) =>
      answering(async () => {
        if ((eventId === "") === (deadLetterId === ""))
          throw new GrpcFailure(
            Code.invalidArgument,
            eventId === ""
              ? "event_id is empty; give the event's identity or its trace id, or a dead_letter_id"
              : "event_id and dead_letter_id are both given; give one of them",
          );
        if (deadLetterId !== "") return explainDeadLetter(options, deadLetterId);
        // Asked first: an event that ends meanwhile is told twice, and not left out.
        const open = await unfinished(eventId, component || undefined);
        const records = await history.find(eventId, component || undefined);
        return { records: records.map(fromHistory), unfinished: open.map(fromUnfinished) };
      }),
    listEvents: (request) =>
      answering(async () => {
        const { records, next } = await history.list(pageOf(request));
        return { records: records.map(fromHistory), nextPageToken: next ?? "" };
      }),
    tailEvents: (request, { signal }) =>
      answeringEach(tail(history, request, AbortSignal.any([signal, closing])), fromTailed),
  });
}

/** All that is known of the event that a dead letter was made of. */
async function explainDeadLetter(
  { history, unfinished, deadLetter }: HistoryServiceOptions,
  id: string,
) {
  const became = await history.ofDeadLetter(id);
  const [newest] = became;
  const { component, eventId, traceId } = newest ?? (await deadLetter(id));
  const event = eventId || traceId;
  const open = await unfinished(event === "" ? id : event, component);
  const all = event === "" ? [] : await history.find(event, component);
  const known = new Set(all.map(keyOf));
  const records = [...all, ...became.filter((one) => !known.has(keyOf(one)))];
  return { records: records.map(fromHistory), unfinished: open.map(fromUnfinished) };
}

function keyOf({ receivedAt, endedAt, deadLetter, end }: HistoryRecord): string {
  return [receivedAt, endedAt, deadLetter, end].join(" ");
}

function pageOf({ component, ends: wanted, pageSize, pageToken }: ListEventsRequest): HistoryPage {
  return {
    component: component || undefined,
    ends: wanted.map(endOf),
    limit: Math.min(pageSize || usualPage, longestPage),
    token: pageToken || undefined,
  };
}

function endOf(number: EventEnd): HistoryRecord["end"] {
  const words = Object.keys(ends) as HistoryRecord["end"][];
  const word = words.find((one) => ends[one] === number);
  if (word !== undefined) return word;
  throw new GrpcFailure(Code.invalidArgument, `ends has ${number}, which is no way to end`);
}

async function* tail(
  history: Pick<Operator["history"], "tail">,
  { component, rate, maxDataSize }: TailEventsRequest,
  signal: AbortSignal,
): AsyncGenerator<Tailed> {
  using watched = history.tail({
    component: component || undefined,
    rate: Math.min(rate || usualRate, highestRate),
    maxData: Math.min(maxDataSize || usualMaxData, largestMaxData),
  });
  for (;;) {
    const next = await watched.next(signal);
    if (next === undefined) return;
    yield next;
  }
}

function fromTailed({ event, leftOut }: Tailed): MessageInitShape<typeof TailEventsResponseSchema> {
  if (event === undefined) return { leftOut: BigInt(leftOut) };
  const { record, data, dataSize, headers, key, metadata, omitted } = event;
  return {
    leftOut: BigInt(leftOut),
    event: {
      record: fromHistory(record),
      ...(data && { data: own(data) }),
      dataSize: BigInt(dataSize),
      headers: headers.map(({ name, value }) => ({ name, value: own(value) })),
      ...(key !== undefined && { key: own(bytesOf(key)) }),
      metadata: { ...metadata },
      omitted,
    },
  };
}
