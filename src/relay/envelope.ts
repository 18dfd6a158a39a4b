import { createHash, randomUUID } from "node:crypto";
import type { Header, InboundEvent } from "../binding.ts";
import { BindingError } from "../errors.ts";

/** An event as it is in the stream. */
export type Relayed = Pick<
  InboundEvent,
  "data" | "metadata" | "headers" | "key" | "id" | "idIsMadeUp" | "signedDigest"
> & {
  /** The trace in which its source's replica took it in. */
  readonly trace: Readonly<Record<string, string>>;
};

/** One message of the stream: a whole event, or a part of one. */
export type Part = {
  /** Of the event's first part 0. */
  readonly index: number;
  readonly count: number;
  readonly bytes: Uint8Array;
};

/** What is told of an event beside its payload. Bytes are in base64. */
type Description = {
  id?: string;
  madeUp?: true;
  text?: string;
  key?: string;
  headers: [name: string, value: string][];
  metadata: Readonly<Record<string, string>>;
  trace: Readonly<Record<string, string>>;
  /** The source says null. */
  null?: true;
  signed?: string;
};

/** Version, index of the part, how many there are. */
const partHeader = 9;
const version = 1;
/** A batch of JetStream has a thousand messages at most. */
const mostParts = 900;

/**
 * The messages of an event, each of at most `limit` bytes: a part's header, then the parts of the description's length,
 * the description and the payload. Throws a `BindingError` for an event that is too large for one batch.
 */
export function partsOf(event: InboundEvent, trace: Relayed["trace"], limit: number): Buffer[] {
  const description = Buffer.from(JSON.stringify(describe(event, trace)));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(description.length);
  const whole = Buffer.concat([length, description, event.data ?? empty]);
  const room = limit - partHeader;
  const count = Math.max(1, Math.ceil(whole.length / room));
  if (count > mostParts) {
    const most = Math.floor((mostParts * room) / 1024 ** 2);
    const text = `an event of ${whole.length} bytes cannot be relayed: at most ${most} MiB with this server's max_payload`;
    throw new BindingError("resource_exhausted", text);
  }
  return Array.from({ length: count }, (_, index) => {
    const head = Buffer.alloc(partHeader);
    head[0] = version;
    head.writeUInt32BE(index, 1);
    head.writeUInt32BE(count, 5);
    return Buffer.concat([head, whole.subarray(index * room, (index + 1) * room)]);
  });
}

/** Throws a `BindingError` for what no relay has written. */
export function readPart(message: Uint8Array): Part {
  const bytes = bufferOf(message);
  if (bytes.length < partHeader || bytes[0] !== version)
    throw new BindingError("data_loss", "a message of the relay's stream is none of its events");
  return {
    index: bytes.readUInt32BE(1),
    count: bytes.readUInt32BE(5),
    bytes: bytes.subarray(partHeader),
  };
}

/** The event of all its parts in order. Throws a `BindingError` for what no relay has written. */
export function readEvent(parts: readonly Uint8Array[]): Relayed {
  const [only] = parts;
  const whole = parts.length === 1 && only !== undefined ? bufferOf(only) : Buffer.concat(parts);
  try {
    const start = 4 + whole.readUInt32BE(0);
    const description = JSON.parse(whole.subarray(4, start).toString()) as Description;
    const { id, madeUp, text, key, metadata, trace, signed } = description;
    return {
      data: description.null ? undefined : whole.subarray(start),
      ...{ metadata, trace, id, idIsMadeUp: madeUp },
      headers: description.headers.map(([name, value]): Header => ({
        name,
        value: Buffer.from(value, "base64"),
      })),
      key: key === undefined ? text : Buffer.from(key, "base64"),
      signedDigest: signed === undefined ? undefined : () => signed,
    };
  } catch (error) {
    throw new BindingError("data_loss", "a message of the relay's stream cannot be read", {
      cause: error,
    });
  }
}

/**
 * By what the stream tells a repeated publication. Of an event without an identity of its source: each time another,
 * which tells repetitions of one publication alone.
 */
export function messageId({ id, idIsMadeUp, key, data }: InboundEvent): string {
  if (id === undefined || idIsMadeUp) return randomUUID();
  const hash = createHash("sha256");
  for (const part of [id, key, data]) {
    const bytes = typeof part === "string" ? Buffer.from(part) : part;
    hash.update(`${bytes?.length ?? "none"}:`);
    if (bytes !== undefined) hash.update(bytes);
  }
  return hash.digest("base64url");
}

function describe(event: InboundEvent, trace: Relayed["trace"]): Description {
  const { id, idIsMadeUp, key, headers, metadata, data, signedDigest } = event;
  return {
    ...(id === undefined ? {} : { id }),
    ...(idIsMadeUp ? { madeUp: true } : {}),
    ...(key === undefined ? {} : typeof key === "string" ? { text: key } : { key: base64(key) }),
    headers: headers.map(({ name, value }) => [name, base64(value)]),
    ...{ metadata, trace },
    ...(data === undefined ? { null: true } : {}),
    ...(signedDigest === undefined ? {} : { signed: signedDigest() }),
  };
}

const empty = Buffer.alloc(0);

function base64(bytes: Uint8Array): string {
  return bufferOf(bytes).toString("base64");
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
