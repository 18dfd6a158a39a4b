/**
 * AMQP's types as they come. The driver's own reader rounds integers, and takes an array's word for how many elements
 * without a byte it has; a message comes from anybody.
 */
export type AmqpValue =
  | null
  | boolean
  /** A floating-point number. */
  | number
  /** An integer of any width. */
  | bigint
  | AmqpText
  | Uint8Array
  | Uuid
  | Timestamp
  | Decimal
  | AmqpList
  | AmqpMap
  | Described;

/** A string or a symbol, its bytes kept, since they need not be UTF-8. */
export class AmqpText {
  readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  toString(): string {
    return this.bytes.toString("utf8");
  }
}

export class Uuid {
  readonly text: string;

  constructor(bytes: Buffer) {
    const hex = bytes.toString("hex");
    this.text = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  }
}

export class Timestamp {
  /** Since 1970. */
  readonly milliseconds: bigint;

  constructor(milliseconds: bigint) {
    this.milliseconds = milliseconds;
  }

  /** As ISO 8601, or the milliseconds where that has no such year. */
  toString(): string {
    const date = new Date(Number(this.milliseconds));
    return Number.isNaN(date.getTime()) ? String(this.milliseconds) : date.toISOString();
  }
}

/** A decimal floating-point number, which is passed on as its bytes. */
export class Decimal {
  readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }
}

export class AmqpList {
  readonly items: readonly AmqpValue[];

  constructor(items: readonly AmqpValue[]) {
    this.items = items;
  }
}

/** Keys and values in their order. */
export class AmqpMap {
  readonly entries: readonly (readonly [AmqpValue, AmqpValue])[];

  constructor(entries: readonly (readonly [AmqpValue, AmqpValue])[]) {
    this.entries = entries;
  }
}

export class Described {
  readonly descriptor: AmqpValue;
  readonly value: AmqpValue;

  constructor(descriptor: AmqpValue, value: AmqpValue) {
    this.descriptor = descriptor;
    this.value = value;
  }
}

const deepest = 64;
/** Lists, maps and arrays of a message together; more would need many times the memory that the message has. */
const mostItems = 200_000;

/** Reads values one after another. Throws a `RangeError` at what is no AMQP. */
export class ValueReader {
  readonly #bytes: Buffer;
  #at = 0;
  #items = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  read(depth = 0): AmqpValue {
    if (depth > deepest) throw new RangeError(`values are nested deeper than ${deepest}`);
    const code = this.#take(1).readUInt8();
    if (code !== 0) return this.#value(code, depth);
    const descriptor = this.read(depth + 1);
    return new Described(descriptor, this.read(depth + 1));
  }

  #value(code: number, depth: number): AmqpValue {
    const known = fixed[code];
    if (known !== undefined) return known(this.#take(widths[code >>> 4] ?? 0));
    switch (code) {
      case 0xa0:
        return this.#variable(1);
      case 0xb0:
        return this.#variable(4);
      case 0xa1:
      case 0xa3:
        return new AmqpText(this.#variable(1));
      case 0xb1:
      case 0xb3:
        return new AmqpText(this.#variable(4));
      case 0xc0:
      case 0xd0:
        return new AmqpList(this.#compound(code === 0xc0 ? 1 : 4, depth));
      case 0xc1:
      case 0xd1:
        return mapOf(this.#compound(code === 0xc1 ? 1 : 4, depth));
      case 0xe0:
      case 0xf0:
        return new AmqpList(this.#array(code === 0xe0 ? 1 : 4, depth));
      default:
        throw new RangeError(`there is no type 0x${code.toString(16)}`);
    }
  }

  #compound(width: number, depth: number): AmqpValue[] {
    const end = this.#size(width) + this.#at;
    const count = this.#count(width);
    const items: AmqpValue[] = [];
    while (items.length < count) items.push(this.read(depth + 1));
    this.#mustEndAt(end);
    return items;
  }

  #array(width: number, depth: number): AmqpValue[] {
    if (depth > deepest) throw new RangeError(`values are nested deeper than ${deepest}`);
    const end = this.#size(width) + this.#at;
    const count = this.#count(width);
    const descriptors: AmqpValue[] = [];
    let code = this.#take(1).readUInt8();
    for (; code === 0; code = this.#take(1).readUInt8()) descriptors.push(this.read(depth + 1));
    const items: AmqpValue[] = [];
    while (items.length < count) {
      const value = this.#value(code, depth + 1);
      items.push(descriptors.reduceRight((inner, outer) => new Described(outer, inner), value));
    }
    this.#mustEndAt(end);
    return items;
  }

  #size(width: number): number {
    const size = this.#unsigned(width);
    if (size > this.remaining) throw new RangeError("a value is longer than the message");
    return size;
  }

  #count(width: number): number {
    const count = this.#unsigned(width);
    this.#items += count;
    if (this.#items > mostItems) throw new RangeError(`there are more than ${mostItems} values`);
    return count;
  }

  #variable(width: number): Buffer {
    return this.#take(this.#unsigned(width));
  }

  #unsigned(width: number): number {
    return this.#take(width).readUIntBE(0, width);
  }

  #take(bytes: number): Buffer {
    if (bytes > this.remaining) throw new RangeError("a value is longer than the message");
    this.#at += bytes;
    return this.#bytes.subarray(this.#at - bytes, this.#at);
  }

  #mustEndAt(end: number): void {
    if (this.#at !== end) throw new RangeError("a value has another size than it says");
  }
}

/** Bytes of a value, by the first half of its code. */
const widths: readonly number[] = [0, 0, 0, 0, 0, 1, 2, 4, 8, 16];

const signed = (bytes: Buffer): bigint => BigInt(bytes.readIntBE(0, bytes.length));
const unsigned = (bytes: Buffer): bigint => BigInt(bytes.readUIntBE(0, bytes.length));

const fixed: Readonly<Record<number, (bytes: Buffer) => AmqpValue>> = {
  0x40: () => null,
  0x41: () => true,
  0x42: () => false,
  0x56: (bytes) => bytes[0] !== 0,
  0x43: () => 0n,
  0x44: () => 0n,
  0x45: () => new AmqpList([]),
  0x50: unsigned,
  0x52: unsigned,
  0x53: unsigned,
  0x60: unsigned,
  0x70: unsigned,
  0x80: (bytes) => bytes.readBigUInt64BE(),
  0x51: signed,
  0x54: signed,
  0x55: signed,
  0x61: signed,
  0x71: signed,
  0x81: (bytes) => bytes.readBigInt64BE(),
  0x72: (bytes) => bytes.readFloatBE(),
  0x82: (bytes) => bytes.readDoubleBE(),
  0x73: (bytes) => new AmqpText(Buffer.from(character(bytes.readUInt32BE()))),
  0x83: (bytes) => new Timestamp(bytes.readBigInt64BE()),
  0x98: (bytes) => new Uuid(bytes),
  0x74: (bytes) => new Decimal(bytes),
  0x84: (bytes) => new Decimal(bytes),
  0x94: (bytes) => new Decimal(bytes),
};

function character(point: number): string {
  return point > 0x10_ffff ? "\ufffd" : String.fromCodePoint(point);
}

function mapOf(items: readonly AmqpValue[]): AmqpMap {
  if (items.length % 2 !== 0) throw new RangeError("a map has a key without a value");
  const entries: [AmqpValue, AmqpValue][] = [];
  for (let at = 0; at < items.length; at += 2)
    entries.push([items[at] ?? null, items[at + 1] ?? null]);
  return new AmqpMap(entries);
}

/** A value as a text by itself: texts as they are, bytes as base64, all else as JSON. */
export function textOf(value: AmqpValue): string {
  if (value instanceof AmqpText) return value.toString();
  if (value instanceof Uuid) return value.text;
  if (value instanceof Timestamp) return value.toString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (value instanceof Decimal) return value.bytes.toString("base64");
  if (value instanceof Described) return textOf(value.value);
  return jsonOf(value);
}

/** A value as JSON, integers with all their digits. */
export function jsonOf(value: AmqpValue): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "bigint") return String(value);
  if (typeof value === "number") return Number.isFinite(value) ? JSON.stringify(value) : "null";
  if (value instanceof AmqpList) return `[${value.items.map(jsonOf).join(",")}]`;
  if (value instanceof AmqpMap) {
    const entries = value.entries.map(
      ([key, one]) => `${JSON.stringify(textOf(key))}:${jsonOf(one)}`,
    );
    return `{${entries.join(",")}}`;
  }
  if (value instanceof Described) return jsonOf(value.value);
  return JSON.stringify(textOf(value));
}
