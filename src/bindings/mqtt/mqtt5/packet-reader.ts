import type { Properties } from "./packets.ts";

type Kind = "byte" | "u16" | "u32" | "varInt" | "text" | "bytes" | "varInts" | "pairs";

const known: Readonly<Record<number, readonly [keyof Properties, Kind]>> = {
  0x01: ["payloadFormatIndicator", "byte"],
  0x02: ["messageExpiryInterval", "u32"],
  0x03: ["contentType", "text"],
  0x08: ["responseTopic", "text"],
  0x09: ["correlationData", "bytes"],
  0x0b: ["subscriptionIdentifiers", "varInts"],
  0x11: ["sessionExpiryInterval", "u32"],
  0x12: ["assignedClientIdentifier", "text"],
  0x13: ["serverKeepAlive", "u16"],
  0x15: ["authenticationMethod", "text"],
  0x16: ["authenticationData", "bytes"],
  0x1a: ["responseInformation", "text"],
  0x1c: ["serverReference", "text"],
  0x1f: ["reasonString", "text"],
  0x21: ["receiveMaximum", "u16"],
  0x22: ["topicAliasMaximum", "u16"],
  0x23: ["topicAlias", "u16"],
  0x24: ["maximumQos", "byte"],
  0x25: ["retainAvailable", "byte"],
  0x26: ["userProperties", "pairs"],
  0x27: ["maximumPacketSize", "u32"],
  0x28: ["wildcardSubscriptionAvailable", "byte"],
  0x29: ["subscriptionIdentifierAvailable", "byte"],
  0x2a: ["sharedSubscriptionAvailable", "byte"],
};

/** Reads the parts of one packet. Each method throws where the packet has ended before. */
export class PacketReader {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;

  constructor(bytes: Buffer, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#end;
  }

  byte(): number {
    return this.#bytes.readUInt8(this.#take(1));
  }

  u16(): number {
    return this.#bytes.readUInt16BE(this.#take(2));
  }

  u32(): number {
    return this.#bytes.readUInt32BE(this.#take(4));
  }

  varInt(): number {
    let value = 0;
    for (let place = 0; place < 28; place += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** place;
      if (byte < 0x80) return value;
    }
    throw new Error("a length of more than four bytes");
  }

  bytes(): Buffer {
    const length = this.u16();
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  text(): string {
    return this.bytes().toString("utf8");
  }

  rest(): Buffer {
    const start = this.#take(this.#end - this.#at);
    return this.#bytes.subarray(start, this.#end);
  }

  /** The bytes that remain, each a number. */
  codes(): number[] {
    return [...this.rest()];
  }

  /** A packet may end before them, as if it had none. */
  properties(): Properties {
    if (this.isAtEnd) return {};
    const length = this.varInt();
    const start = this.#take(length);
    const reader = new PacketReader(this.#bytes, start, start + length);
    const properties: Properties = {};
    while (!reader.isAtEnd) reader.#property(properties);
    return properties;
  }

  #property(properties: Properties): void {
    const identifier = this.varInt();
    const [name, kind] = known[identifier] ?? [];
    if (name === undefined || kind === undefined) {
      throw new Error(`an unknown property, ${identifier}`);
    }
    if (kind === "pairs") {
      const [text, value] = [this.text(), this.bytes()];
      (properties.userProperties ??= []).push({ name: text, value });
      return;
    }
    if (kind === "varInts") {
      (properties.subscriptionIdentifiers ??= []).push(this.varInt());
      return;
    }
    if (properties[name] !== undefined) throw new Error(`${name} twice`);
    Object.assign(properties, { [name]: this[kind]() });
  }

  #take(length: number): number {
    const start = this.#at;
    if (start + length > this.#end) throw new Error("a packet that ends too early");
    this.#at += length;
    return start;
  }
}
