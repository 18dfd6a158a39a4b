import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  timestampFromMs,
  timestampMs,
  type Duration,
  type DurationSchema,
  type Timestamp,
} from "@bufbuild/protobuf/wkt";
import {
  DeadLetterCause,
  type DeadLetterFilterSchema,
  type DeadLetterFilter as WireFilter,
  type DeadLetterRecord,
  type DeadLetterRecordSchema,
} from "../../gen/cufflink/v1/dead_letters_pb.ts";
import {
  AttemptOutcome,
  EventEnd,
  EventPlace,
  type Attempt,
  type AttemptSchema,
  type EventRecord,
  type EventRecordSchema,
  type FailedRenewal,
  type UnfinishedEvent as WireUnfinished,
  type UnfinishedEventSchema,
} from "../../gen/cufflink/v1/history_pb.ts";
import type { UnfinishedEvent } from "../runtime/status.ts";
import type {
  AttemptRecord,
  DeadLetter,
  DeadLetterFilter,
  HistoryRecord,
  ListedDeadLetter,
  StoredDeadLetter,
} from "../store/records.ts";

/** A dead letter as its operator sees it. */
export type ShownDeadLetter = Omit<DeadLetter, "identity"> & {
  /** Bytes of the whole payload. */
  readonly size: number;
  /** The payload is larger than was asked for, and not here. */
  readonly omitted: boolean;
  readonly redriving: boolean;
};

const causes = {
  exhausted: DeadLetterCause.EXHAUSTED,
  refused: DeadLetterCause.REFUSED,
} as const;

const outcomes = {
  handled: AttemptOutcome.HANDLED,
  refused: AttemptOutcome.REFUSED,
  dropped: AttemptOutcome.DROPPED,
  "not attempted": AttemptOutcome.NOT_ATTEMPTED,
  unsent: AttemptOutcome.UNSENT,
} as const;

/** How events end, as the wire counts it. */
export const ends = {
  handled: EventEnd.HANDLED,
  "dead letter": EventEnd.DEAD_LETTER,
  output: EventEnd.OUTPUT,
  dropped: EventEnd.DROPPED,
  returned: EventEnd.RETURNED,
  duplicate: EventEnd.DUPLICATE,
} as const;

const places = {
  queued: EventPlace.QUEUED,
  "with the app": EventPlace.WITH_APP,
  "waiting for a retry": EventPlace.WAITING_FOR_RETRY,
  held: EventPlace.HELD,
} as const;

/** A dead letter for the wire. */
export function fromDeadLetter(
  deadLetter: StoredDeadLetter | ListedDeadLetter,
  redriving: boolean,
): MessageInitShape<typeof DeadLetterRecordSchema> {
  const { id, component, type, cause, reason, event, attempts, failed } = deadLetter;
  const { receivedAt, storedAt, traceId, redrives, edited } = deadLetter;
  const size = "size" in deadLetter ? deadLetter.size : (event.data?.length ?? 0);
  return {
    ...{ id, component, type, cause: causes[cause], reason },
    event: {
      headers: event.headers.map(({ name, value }) => ({ name, value: own(value) })),
      id: event.id ?? "",
      ...(event.data && { data: own(event.data) }),
      ...(event.key !== undefined && { key: own(bytesOf(event.key)) }),
    },
    metadata: { ...event.metadata },
    dataSize: BigInt(size),
    dataOmitted: event.data === undefined && size > 0,
    attempts: attempts.map(fromAttempt),
    failedAttempts: failed,
    receivedAt: timestampOf(receivedAt),
    storedAt: timestampOf(storedAt),
    ...{ traceId, redrives, edited, redriving },
    ...{ identity: deadLetter.identity, fingerprint: deadLetter.fingerprint },
    keyIsText: typeof event.key === "string",
  };
}

/** A dead letter from the wire. */
export function toDeadLetter(record: DeadLetterRecord): ShownDeadLetter {
  const { id, component, type, reason, event, metadata, attempts } = record;
  const { traceId, redrives, edited, redriving } = record;
  return {
    ...{ id, component, type, cause: wordOf(causes, record.cause, "exhausted"), reason },
    event: {
      data: event?.data,
      headers: event?.headers ?? [],
      metadata,
      key: event?.key,
      id: event?.id || undefined,
    },
    size: Number(record.dataSize),
    omitted: record.dataOmitted,
    attempts: attempts.map(toAttempt),
    failed: record.failedAttempts,
    receivedAt: millisecondsOf(record.receivedAt),
    storedAt: millisecondsOf(record.storedAt),
    ...{ traceId, redrives, edited, redriving },
  };
}

/** A filter from the wire: what is empty says nothing. */
export function toFilter(filter: WireFilter | undefined): DeadLetterFilter {
  if (filter === undefined) return {};
  const { ids, component, reason, eventId, since, before } = filter;
  return {
    ...(ids.length > 0 && { ids }),
    ...(component !== "" && { component }),
    ...(reason !== "" && { reason }),
    ...(eventId !== "" && { eventId }),
    ...(since && { since: timestampMs(since) }),
    ...(before && { before: timestampMs(before) }),
  };
}

/** A filter for the wire. */
export function fromFilter(
  filter: DeadLetterFilter,
): MessageInitShape<typeof DeadLetterFilterSchema> {
  const { ids = [], component = "", reason = "", eventId = "", since, before } = filter;
  return {
    ...{ ids: [...ids], component, reason, eventId },
    ...(since !== undefined && { since: timestampOf(since) }),
    ...(before !== undefined && { before: timestampOf(before) }),
  };
}

/** What became of an event, for the wire. */
export function fromHistory(record: HistoryRecord): MessageInitShape<typeof EventRecordSchema> {
  const { component, eventId, source, receivedAt, attempts, renewals, traceId } = record;
  const { end, endedAt, reason, deadLetter = "", failedRenewals = [] } = record;
  return {
    ...{ component, eventId, source, receivedAt: timestampOf(receivedAt) },
    attempts: attempts.map(fromAttempt),
    renewals: renewals.map(timestampOf),
    failedRenewals: failedRenewals.map(({ at, reason }) => ({ at: timestampOf(at), reason })),
    ...{ traceId, end: ends[end], endedAt: timestampOf(endedAt), reason, deadLetterId: deadLetter },
  };
}

/** What became of an event, from the wire. */
export function toHistory(record: EventRecord): HistoryRecord {
  const { component, eventId, source, attempts, renewals, traceId, reason } = record;
  return {
    ...{ component, eventId, source, receivedAt: millisecondsOf(record.receivedAt) },
    attempts: attempts.map(toAttempt),
    renewals: renewals.map(millisecondsOf),
    failedRenewals: record.failedRenewals.map(toFailedRenewal),
    ...{ traceId, end: wordOf(ends, record.end, "returned"), reason },
    endedAt: millisecondsOf(record.endedAt),
    deadLetter: record.deadLetterId || undefined,
  };
}

/** Where an event is, for the wire. */
export function fromUnfinished(
  event: UnfinishedEvent,
): MessageInitShape<typeof UnfinishedEventSchema> {
  const { component, eventId, source, receivedAt, attempts, renewals, failedRenewals } = event;
  const { traceId, key, where, reason, attempt, attemptsAllowed = 0, lastError, nextAt } = event;
  return {
    ...{ component, eventId, source, receivedAt: timestampOf(receivedAt) },
    attempts: attempts.map(fromAttempt),
    renewals: renewals.map(timestampOf),
    failedRenewals: failedRenewals.map(({ at, reason }) => ({ at: timestampOf(at), reason })),
    ...{ traceId, place: places[where], reason, attempt, attemptsAllowed, lastError },
    ...(key !== undefined && { key: own(bytesOf(key)) }),
    ...(nextAt !== undefined && { nextAttempt: timestampOf(nextAt) }),
    deadLetterId: event.deadLetter ?? "",
  };
}

/** Where an event is, from the wire. */
export function toUnfinished(event: WireUnfinished): UnfinishedEvent {
  const { component, eventId, source, attempts, renewals, traceId, key, reason, attempt } = event;
  return {
    ...{ component, eventId, source, receivedAt: millisecondsOf(event.receivedAt) },
    attempts: attempts.map(toAttempt),
    renewals: renewals.map(millisecondsOf),
    failedRenewals: event.failedRenewals.map(toFailedRenewal),
    ...{ traceId, key, where: wordOf(places, event.place, "held"), reason, attempt },
    attemptsAllowed: event.attemptsAllowed || undefined,
    lastError: event.lastError,
    nextAt: event.nextAttempt && millisecondsOf(event.nextAttempt),
    deadLetter: event.deadLetterId || undefined,
  };
}

/** Milliseconds since 1970 for the wire. */
export function timestampOf(milliseconds: number): Timestamp {
  return timestampFromMs(Math.round(milliseconds));
}

/** Milliseconds for the wire, to the microsecond. */
export function durationOf(milliseconds: number): MessageInitShape<typeof DurationSchema> {
  const microseconds = Math.round(milliseconds * 1000);
  const seconds = Math.floor(microseconds / 1e6);
  return { seconds: BigInt(seconds), nanos: (microseconds - seconds * 1e6) * 1000 };
}

/** Milliseconds from the wire; 0 where nothing was said. */
export function millisecondsOf(time: Timestamp | undefined): number {
  return time === undefined ? 0 : timestampMs(time);
}

/** The word that a number of an enum stands for; `otherwise` for one of a later version. */
export function wordOf<Word extends string>(
  numbers: Readonly<Record<Word, number>>,
  number: number,
  otherwise: Word,
): Word {
  const words = Object.keys(numbers) as Word[];
  return words.find((word) => numbers[word] === number) ?? otherwise;
}

/** The same bytes where they are a view of an `ArrayBuffer`, as messages want them. */
export function own(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer
    ? (bytes as Uint8Array<ArrayBuffer>)
    : new Uint8Array(bytes);
}

function fromAttempt(attempt: AttemptRecord): MessageInitShape<typeof AttemptSchema> {
  const { at, took, outcome, answer } = attempt;
  return {
    at: timestampOf(at),
    took: durationOf(took),
    ...{ outcome: outcomes[outcome], answer },
  };
}

function toAttempt(attempt: Attempt): AttemptRecord {
  const { at, took, outcome, answer } = attempt;
  return {
    at: millisecondsOf(at),
    took: tookOf(took),
    outcome: wordOf(outcomes, outcome, "refused"),
    answer,
  };
}

function toFailedRenewal({ at, reason }: FailedRenewal): { at: number; reason: string } {
  return { at: millisecondsOf(at), reason };
}

function tookOf(took: Duration | undefined): number {
  return took === undefined ? 0 : Number(took.seconds) * 1000 + took.nanos / 1e6;
}

/** A key as bytes. */
export function bytesOf(key: Uint8Array | string): Uint8Array {
  return typeof key === "string" ? Buffer.from(key) : key;
}
