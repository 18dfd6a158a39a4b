import { packHeaders, unpackHeaders } from "../headers.ts";
import type { DeadLetter, StoredDeadLetter } from "../records.ts";
import { headerJson } from "./messages.ts";
import { digestToken } from "./subjects.ts";

/** How many attempts a dead letter tells of: the last ones. */
const keptAttempts = 100;

/** What a message says of its dead letter in a header, so that lists need no bodies. */
export type LetterAbout = {
  readonly id: string;
  readonly component: string;
  readonly storedAt: number;
  /** Bytes in all, roughly, and of the payload. */
  readonly bytes: number;
  readonly size: number;
  /** A digest of the source's own identity; absent: it has none. */
  readonly event?: string;
  /** A digest of its identity: the last token of its attempt count's subject. */
  readonly attempt: string;
  /** A digest of its fingerprint. */
  readonly print: string;
};

/** The texts before the bytes. */
type LetterTexts = Omit<StoredDeadLetter, "event"> & {
  readonly eventId?: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  readonly key?: string | { readonly bytes: number };
  /** Bytes of the headers, packed. */
  readonly headers: number;
  /** Bytes of the payload; absent: it has none. */
  readonly data?: number;
};

/** The length of the texts as JSON, the texts, the headers, the key if it is bytes, the payload. */
export function encodeLetter(letter: StoredDeadLetter): {
  readonly body: Uint8Array;
  readonly about: string;
  /** How much room it takes, roughly. */
  readonly size: number;
} {
  const { event, ...rest } = letter;
  const { data, key, metadata } = event;
  const headers = packHeaders(event.headers);
  const texts: LetterTexts = {
    ...rest,
    attempts: rest.attempts.slice(-keptAttempts),
    ...(event.id === undefined ? {} : { eventId: event.id }),
    ...{ metadata, headers: headers.length },
    ...(key === undefined ? {} : { key: typeof key === "string" ? key : { bytes: key.length } }),
    ...(data === undefined ? {} : { data: data.length }),
  };
  const json = Buffer.from(JSON.stringify(texts));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(json.length);
  const keyBytes = typeof key === "object" ? [key] : [];
  const body = Buffer.concat([length, json, headers, ...keyBytes, ...(data ? [data] : [])]);
  const size = sizeOf(letter, headers);
  const about: LetterAbout = {
    ...{ id: letter.id, component: letter.component, storedAt: letter.storedAt },
    ...{ bytes: size, size: data?.length ?? 0 },
    ...(event.id === undefined ? {} : { event: digestToken(event.id) }),
    attempt: digestToken(letter.identity),
    print: digestToken(letter.fingerprint),
  };
  return { body, about: headerJson(about), size };
}

/** How much room it takes, roughly, as the engine on SQLite counts it. */
function sizeOf({ event, attempts, reason }: StoredDeadLetter, headers: Uint8Array): number {
  const { data, key, metadata } = event;
  const texts = JSON.stringify(metadata).length + JSON.stringify(attempts).length + reason.length;
  return (data?.length ?? 0) + headers.length + (key?.length ?? 0) + texts;
}

/** How many bytes come before the payload; `undefined`: the beginning of the body does not have all of them. */
export function bytesBeforeData(body: Uint8Array): number | undefined {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  if (bytes.length < 4) return undefined;
  const end = 4 + bytes.readUInt32BE(0);
  if (bytes.length < end) return undefined;
  const { headers, key } = textsOf(bytes, end);
  return end + headers + (typeof key === "object" ? key.bytes : 0);
}

/** `withData` false: the payload is left out, and need not be there. */
export function decodeLetter(body: Uint8Array, withData = true): StoredDeadLetter {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  let at = 4 + bytes.readUInt32BE(0);
  const { eventId, metadata, key, headers, data, ...rest } = textsOf(bytes, at);
  const take = (length: number): Uint8Array => {
    const taken = new Uint8Array(bytes.subarray(at, at + length));
    at += length;
    return taken;
  };
  const event = {
    id: eventId,
    headers: unpackHeaders(take(headers)),
    key: typeof key === "object" ? take(key.bytes) : key,
    metadata,
    data: data === undefined || !withData ? undefined : take(data),
  };
  return { ...rest, event };
}

function textsOf(bytes: Buffer, end: number): LetterTexts {
  return JSON.parse(bytes.toString("utf8", 4, end)) as LetterTexts;
}

/** A dead letter that was there, with what came of the same event since. */
export function withAttempts(kept: StoredDeadLetter, newer: DeadLetter): StoredDeadLetter {
  return {
    ...kept,
    ...{ cause: newer.cause, reason: newer.reason, traceId: newer.traceId },
    failed: kept.failed + newer.failed,
    attempts: [...kept.attempts, ...newer.attempts].slice(-keptAttempts),
  };
}
