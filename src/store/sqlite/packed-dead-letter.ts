import { packHeaders, unpackHeaders } from "../headers.ts";
import type { AttemptRecord, DeadLetter, ListedDeadLetter, StoredDeadLetter } from "../records.ts";

/** A dead letter as it travels between the threads and lies in its table. */
export type PackedDeadLetter = Omit<DeadLetter, "event" | "attempts"> & {
  /** JSON. */
  readonly attempts: string;
  readonly eventId: string | undefined;
  readonly key: Uint8Array | string | undefined;
  /** JSON. */
  readonly metadata: string;
  readonly headers: Uint8Array;
  readonly data: Uint8Array | undefined;
};

/** The same with the digest of its event. */
export type PackedStoredDeadLetter = PackedDeadLetter & { readonly fingerprint: string };

/** The same in a list, where its payload may have been left out. */
export type PackedListedDeadLetter = PackedStoredDeadLetter & { readonly size: number };

/** How many attempts a dead letter tells of: the last ones. */
export const keptAttempts = 100;

export function packDeadLetter(deadLetter: StoredDeadLetter): PackedStoredDeadLetter;
export function packDeadLetter(deadLetter: DeadLetter): PackedDeadLetter;
export function packDeadLetter(deadLetter: DeadLetter): PackedDeadLetter {
  const { event, attempts, ...rest } = deadLetter;
  return {
    ...rest,
    attempts: JSON.stringify(attempts.slice(-keptAttempts)),
    eventId: event.id,
    key: typeof event.key === "object" ? new Uint8Array(event.key) : event.key,
    metadata: JSON.stringify(event.metadata),
    headers: packHeaders(event.headers),
    // A copy of its own: sent as it is, a part of a large buffer would take all of that along.
    data: event.data && new Uint8Array(event.data),
  };
}

export function unpackDeadLetter(packed: PackedListedDeadLetter): ListedDeadLetter;
export function unpackDeadLetter(packed: PackedStoredDeadLetter): StoredDeadLetter;
export function unpackDeadLetter(packed: PackedDeadLetter): DeadLetter {
  const { attempts, eventId, key, metadata, headers, data, ...rest } = packed;
  return {
    ...rest,
    attempts: JSON.parse(attempts) as AttemptRecord[],
    event: {
      id: eventId,
      key,
      metadata: JSON.parse(metadata) as Record<string, string>,
      headers: unpackHeaders(headers),
      data,
    },
  };
}

/** How much room it takes, roughly: what it was made of, without indexes and pages. */
export function sizeOf(deadLetter: PackedDeadLetter): number {
  return (
    (deadLetter.data?.length ?? 0) +
    deadLetter.headers.length +
    (deadLetter.key?.length ?? 0) +
    deadLetter.metadata.length +
    deadLetter.attempts.length +
    deadLetter.reason.length
  );
}
