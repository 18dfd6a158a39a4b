import type { Msg, MsgHdrs } from "@nats-io/transport-node";
import type { Driver } from "../../nats-client/driver.ts";

/** The headers that the store gives its messages, beside the server's. */
export const headerNames = {
  /** Which write it is of, so that its outcome can be found out. */
  write: "Cufflink-Write",
  /** How many parts lie beside it. */
  parts: "Cufflink-Parts",
  /** What is known of it without its body: JSON. */
  about: "Cufflink-About",
  /** It stands for what is gone; the server's own have it too. */
  gone: "Nats-Marker-Reason",
  ttl: "Nats-TTL",
  expected: "Nats-Expected-Last-Subject-Sequence",
  expectedSubject: "Nats-Expected-Last-Subject-Sequence-Subject",
  batch: "Nats-Batch-Id",
  batchSequence: "Nats-Batch-Sequence",
  batchCommit: "Nats-Batch-Commit",
} as const;

/** A message as a stream has it. */
export type StoredMessage = {
  readonly subject: string;
  readonly sequence: number;
  /** Milliseconds since 1970, by the server's clock. */
  readonly time: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
};

/** A message to be published. */
export type NewMessage = {
  readonly subject: string;
  readonly body: Uint8Array;
  readonly headers: Record<string, string>;
};

export const nothing = new Uint8Array();

/** Whether it only says that its subject has nothing any more. */
export function isGone({ headers }: StoredMessage): boolean {
  return headers.has(headerNames.gone);
}

/** What JetStream's API answers with. */
export type ApiMessage = {
  readonly subject: string;
  readonly seq: number;
  readonly hdrs?: string;
  readonly data?: string;
  readonly time: string;
};

export function messageOfApi({ subject, seq, hdrs, data, time }: ApiMessage): StoredMessage {
  return {
    ...{ subject, sequence: seq, time: Date.parse(time) },
    headers: headersOf(hdrs === undefined ? "" : Buffer.from(hdrs, "base64").toString()),
    body: data === undefined ? nothing : new Uint8Array(Buffer.from(data, "base64")),
  };
}

/** A message that a consumer or a direct read has sent. */
export function messageOfHeaders(message: Msg): StoredMessage {
  const headers = mapOf(message.headers);
  return {
    subject: headers.get("Nats-Subject") ?? message.subject,
    sequence: Number(headers.get("Nats-Sequence") ?? 0),
    time: Date.parse(headers.get("Nats-Time-Stamp") ?? ""),
    headers,
    body: new Uint8Array(message.data),
  };
}

/** A message of a consumer, and where it stands; `undefined`: the server says something about the request. */
export function messageOfDelivery(message: Msg) {
  // $JS.ACK[.<domain>.<account>].<stream>.<consumer>.<deliveries>.<sequence>.<consumer sequence>.<time>.<pending>[.<random>]
  const tokens = message.reply?.split(".") ?? [];
  if (tokens[0] !== "$JS" || tokens[1] !== "ACK") return undefined;
  const [, , , sequence, number, time, pending] = tokens.slice(tokens.length > 9 ? 4 : 2);
  const stored: StoredMessage = {
    ...{ subject: message.subject, sequence: Number(sequence) },
    time: Math.floor(Number(time) / 1_000_000),
    headers: mapOf(message.headers),
    body: new Uint8Array(message.data),
  };
  return { message: stored, number: Number(number), pending: Number(pending) };
}

function mapOf(headers: MsgHdrs | undefined): Map<string, string> {
  const map = new Map<string, string>();
  for (const name of headers?.keys() ?? []) map.set(name, headers?.last(name) ?? "");
  return map;
}

function headersOf(text: string): Map<string, string> {
  const map = new Map<string, string>();
  for (const line of text.split("\r\n").slice(1)) {
    const colon = line.indexOf(":");
    if (colon > 0) map.set(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  return map;
}

export function driverHeaders(
  driver: Driver,
  headers: Readonly<Record<string, string>>,
): MsgHdrs | undefined {
  const names = Object.keys(headers);
  if (names.length === 0) return undefined;
  const result = driver.headers();
  for (const name of names) result.set(name, headers[name] ?? "");
  return result;
}

/** The JSON of a body; `undefined`: it is none. */
export function jsonIn(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString());
  } catch {
    return undefined;
  }
}

/** JSON as a header takes it: of ASCII alone. */
export function headerJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    /[^\x20-\x7E]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** A time to live as the server takes it: whole seconds, at least one. `ttl` in milliseconds. */
export function ttlText(ttl: number): string {
  return `${Math.max(1, Math.ceil(ttl / 1000))}s`;
}

/** The time to live that {@link ttlText} has written, in milliseconds; `undefined`: for ever. */
export function ttlOf({ headers }: StoredMessage): number | undefined {
  const [, seconds] = /^(\d+)s$/.exec(headers.get(headerNames.ttl) ?? "") ?? [];
  return seconds === undefined ? undefined : Number(seconds) * 1000;
}
