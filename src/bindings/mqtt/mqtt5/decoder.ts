import type { Decoder } from "../connection.ts";
import { PacketReader } from "./packet-reader.ts";
import type { ServerPacket } from "./packets.ts";

const shortestPacket = 2;
const mostLengthBytes = 4;

type Frame = { readonly first: number; readonly start: number; readonly end: number };

/**
 * Makes packets of MQTT 5 of the pieces that come from a server. It is here since `mqtt-packet` keeps user properties
 * by their names: the order of the sender, and an empty value that is repeated, would be lost.
 */
export class PacketDecoder implements Decoder {
  readonly #packet: (packet: ServerPacket) => void;
  readonly #largest: number;
  #pieces: Buffer[] = [];
  #held = 0;
  // Before so many bytes are held there is nothing to be made of them.
  #needed = shortestPacket;

  /** `largest`: how many bytes a packet has at most; a larger one is an error. */
  constructor(packet: (packet: ServerPacket) => void, largest: number = Number.POSITIVE_INFINITY) {
    this.#packet = packet;
    this.#largest = largest;
  }

  get announced(): number {
    return this.#needed;
  }

  parse(piece: Buffer): number {
    this.#pieces.push(piece);
    this.#held += piece.length;
    if (this.#held < this.#needed) return this.#held;
    const bytes = this.#pieces.length === 1 ? piece : Buffer.concat(this.#pieces, this.#held);
    let at = 0;
    for (;;) {
      const frame = frameAt(bytes, at);
      this.#needed = frame === undefined ? bytes.length - at + 1 : frame.end - at;
      if (this.#needed > this.#largest) {
        throw new Error(`a packet of ${this.#needed} bytes, more than maximumPacketSize`);
      }
      if (frame === undefined || frame.end > bytes.length) break;
      this.#packet(packetOf(bytes, frame));
      at = frame.end;
    }
    // A copy, so that the start of a packet does not keep what was before it.
    const rest = at === 0 ? bytes : Buffer.from(bytes.subarray(at));
    this.#pieces = rest.length === 0 ? [] : [rest];
    this.#held = rest.length;
    if (this.#needed < shortestPacket) this.#needed = shortestPacket;
    return this.#held;
  }
}

/** Where the packet that begins there ends; `undefined`: that is not told yet. */
function frameAt(bytes: Buffer, at: number): Frame | undefined {
  let length = 0;
  for (let index = 0; index < mostLengthBytes; index++) {
    const byte = bytes[at + 1 + index];
    if (byte === undefined) return undefined;
    length += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) {
      const start = at + 2 + index;
      return { first: bytes[at] ?? 0, start, end: start + length };
    }
  }
  throw new Error("a length of more than four bytes");
}

function packetOf(bytes: Buffer, { first, start, end }: Frame): ServerPacket {
  const reader = new PacketReader(bytes, start, end);
  const flags = first & 0x0f;
  const type = first >> 4;
  if (type === 3) return publishOf(reader, flags);
  if (flags !== (type === 6 ? 2 : 0)) throw new Error(`the flags ${flags} of packet type ${type}`);
  switch (type) {
    case 2: {
      const acknowledge = reader.byte();
      const reasonCode = reader.byte();
      const sessionPresent = (acknowledge & 1) === 1;
      return { cmd: "connack", sessionPresent, reasonCode, properties: reader.properties() };
    }
    case 4:
      return confirmationOf("puback", reader);
    case 5:
      return confirmationOf("pubrec", reader);
    case 6:
      return confirmationOf("pubrel", reader);
    case 7:
      return confirmationOf("pubcomp", reader);
    case 9:
      return subackOf("suback", reader);
    case 11:
      return subackOf("unsuback", reader);
    case 13:
      return { cmd: "pingresp" };
    case 14:
      return farewellOf("disconnect", reader);
    case 15:
      return farewellOf("auth", reader);
    default:
      throw new Error(`a packet of type ${type}, which a server does not send`);
  }
}

function publishOf(reader: PacketReader, flags: number): ServerPacket {
  const qos = (flags >> 1) & 3;
  if (qos !== 0 && qos !== 1 && qos !== 2) throw new Error("a message with QoS 3");
  const topic = reader.text();
  const messageId = qos === 0 ? undefined : reader.u16();
  const properties = reader.properties();
  return {
    cmd: "publish",
    ...{ topic, qos, messageId, properties, payload: reader.rest() },
    retain: (flags & 1) === 1,
    dup: (flags & 8) === 8,
  };
}

function confirmationOf(
  cmd: "puback" | "pubrec" | "pubrel" | "pubcomp",
  reader: PacketReader,
): ServerPacket {
  const messageId = reader.u16();
  return { cmd, messageId, ...reasonOf(reader) };
}

function subackOf(cmd: "suback" | "unsuback", reader: PacketReader): ServerPacket {
  const messageId = reader.u16();
  const properties = reader.properties();
  return { cmd, messageId, properties, reasonCodes: reader.codes() };
}

function farewellOf(cmd: "disconnect" | "auth", reader: PacketReader): ServerPacket {
  return { cmd, ...reasonOf(reader) };
}

/** A packet without a code has succeeded. */
function reasonOf(reader: PacketReader) {
  const reasonCode = reader.isAtEnd ? 0 : reader.byte();
  return { reasonCode, properties: reader.properties() };
}
