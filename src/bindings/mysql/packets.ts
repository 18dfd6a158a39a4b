import type { DriverConnection } from "./driver.ts";

/** The longest payload of one packet; a longer one goes on in the next. */
const longest = 0xffffff;

/** Reads the parts of a packet's payload one after another. Throws when it is too short. */
export class PacketReader {
  readonly #payload: Buffer;
  #at = 0;

  constructor(payload: Buffer, from = 0) {
    this.#payload = payload;
    this.#at = from;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#payload.length;
  }

  bytes(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#payload.length) throw new Error("malformed packet");
    const part = this.#payload.subarray(this.#at, end);
    this.#at = end;
    return part;
  }

  unsigned(bytes: 1 | 2 | 4): number {
    return this.bytes(bytes).readUIntLE(0, bytes);
  }

  signed(bytes: 1 | 2 | 4): number {
    return this.bytes(bytes).readIntLE(0, bytes);
  }

  /** A number of up to eight bytes; `undefined`: the mark of NULL. */
  number(): number | undefined {
    const first = this.unsigned(1);
    if (first < 0xfb) return first;
    if (first === 0xfb) return undefined;
    if (first === 0xfc) return this.unsigned(2);
    if (first === 0xfd) return this.bytes(3).readUIntLE(0, 3);
    return Number(this.bytes(8).readBigUInt64LE());
  }

  /** Bytes after their length; `undefined`: NULL. */
  counted(): Buffer | undefined {
    const length = this.number();
    return length === undefined ? undefined : this.bytes(length);
  }

  rest(): Buffer {
    return this.bytes(this.#payload.length - this.#at);
  }
}

/** What the server says in place of an answer. */
export class ServerError extends Error {
  readonly number: number;
  readonly state: string;

  constructor(number: number, state: string, message: string) {
    super(message);
    this.number = number;
    this.state = state;
  }
}

export function readError(payload: Buffer): ServerError {
  const reader = new PacketReader(payload, 1);
  const number = reader.unsigned(2);
  const hasState = payload[3] === 0x23;
  const state = hasState ? reader.bytes(6).toString("latin1").slice(1) : "";
  return new ServerError(number, state, reader.rest().toString("utf8"));
}

/** What is told at the end of a result. */
export type Status = { readonly affected: bigint; readonly hasMore: boolean };

const moreResults = 0x0008;

export function readOk(payload: Buffer): Status {
  const reader = new PacketReader(payload, 1);
  const affected = BigInt(reader.number() ?? 0);
  reader.number();
  return { affected, hasMore: (reader.unsigned(2) & moreResults) !== 0 };
}

/** Whether the packet ends a list of columns or rows. A row may begin with the same byte, and is longer. */
export function isEnd(payload: Buffer): boolean {
  return payload[0] === 0xfe && payload.length < 9;
}

export function endHasMore(payload: Buffer): boolean {
  return (new PacketReader(payload, 3).unsigned(2) & moreResults) !== 0;
}

/** Begins a command: its packets are counted from 0, as the server's answers go on to be. */
export function sendCommand(connection: DriverConnection, payload: Buffer): void {
  connection.sequenceId = 0;
  for (let from = 0; ; from += longest) {
    const part = payload.subarray(from, from + longest);
    const header = Buffer.alloc(4);
    header.writeUIntLE(part.length, 0, 3);
    header[3] = connection.sequenceId;
    connection.sequenceId = (connection.sequenceId + 1) % 256;
    // In one piece where that costs nothing: each write is a packet of the network.
    if (part.length < 16_384) connection.write(Buffer.concat([header, part]));
    else {
      connection.write(header);
      connection.write(part);
    }
    // What fills its last packet is followed by an empty one.
    if (part.length < longest) return;
  }
}

/** Bytes with their length before them. */
export function counted(bytes: Buffer): Buffer {
  const { length } = bytes;
  if (length < 0xfb) return Buffer.concat([Buffer.of(length), bytes]);
  const size = Buffer.alloc(length < 0x10000 ? 3 : length < 0x1000000 ? 4 : 9);
  size[0] = length < 0x10000 ? 0xfc : length < 0x1000000 ? 0xfd : 0xfe;
  size.writeUIntLE(length, 1, Math.min(size.length - 1, 6));
  return Buffer.concat([size, bytes]);
}
