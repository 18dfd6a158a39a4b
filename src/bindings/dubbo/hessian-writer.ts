import { BindingError } from "../../errors.ts";

/** The longest part of a text, in UTF-16 code units. */
const longestPart = 0x8000;
const deepest = 128;

/** Writes values as Hessian 2 has them. */
export class HessianWriter {
  readonly #parts: Uint8Array[] = [];

  /** What was written. */
  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }

  /** Bytes that are Hessian 2 already. */
  raw(bytes: Uint8Array): this {
    this.#parts.push(bytes);
    return this;
  }

  /** A text of so many UTF-16 code units, each of which is one to three bytes. */
  string(text: string): this {
    let from = 0;
    while (text.length - from > longestPart) {
      // Both halves of a character stay together.
      const last = text.charCodeAt(from + longestPart - 1);
      const length = last >= 0xd800 && last <= 0xdbff ? longestPart - 1 : longestPart;
      this.#bytes(0x52, length >> 8, length & 0xff);
      this.#parts.push(unitsOf(text.slice(from, from + length)));
      from += length;
    }
    const rest = text.slice(from);
    if (rest.length < 0x20) this.#bytes(rest.length);
    else if (rest.length < 0x400) this.#bytes(0x30 + (rest.length >> 8), rest.length & 0xff);
    else this.#bytes(0x53, rest.length >> 8, rest.length & 0xff);
    this.#parts.push(unitsOf(rest));
    return this;
  }

  /** A map from texts to texts, of which those that are empty are left out. */
  attachments(map: Readonly<Record<string, string>>): this {
    this.#bytes(0x48);
    for (const [name, value] of Object.entries(map))
      if (value !== "") this.string(name).string(value);
    this.#bytes(0x5a);
    return this;
  }

  /** An array of Java's, of that type: `[string`, `[object`. */
  array<Item>(type: string, items: readonly Item[], write: (item: Item) => void): this {
    this.#bytes(0x56);
    this.string(type);
    this.#int(items.length);
    for (const item of items) write(item);
    return this;
  }

  /** A value of JSON: integers of up to 64 bits as an int or a long. Throws a `BindingError`. */
  json(value: unknown, depth = 0): this {
    if (depth > deepest) throw refused("the arguments are nested too deeply");
    if (value === null || value === undefined) this.#bytes(0x4e);
    else if (value === true) this.#bytes(0x54);
    else if (value === false) this.#bytes(0x46);
    else if (typeof value === "string") this.string(value);
    else if (typeof value === "bigint") this.#long(value);
    else if (typeof value === "number") this.#number(value);
    else if (Array.isArray(value)) {
      this.#bytes(0x58);
      this.#int(value.length);
      for (const item of value) this.json(item, depth + 1);
    } else {
      this.#bytes(0x48);
      for (const [name, member] of Object.entries(value)) this.string(name).json(member, depth + 1);
      this.#bytes(0x5a);
    }
    return this;
  }

  #number(value: number): void {
    if (Number.isInteger(value) && !Object.is(value, -0)) {
      if (value >= -(2 ** 31) && value < 2 ** 31) return this.#int(value);
      if (Number.isSafeInteger(value)) return this.#long(BigInt(value));
    }
    const bytes = Buffer.alloc(9);
    bytes[0] = 0x44;
    bytes.writeDoubleBE(value, 1);
    this.#parts.push(bytes);
  }

  #int(value: number): void {
    if (value >= -16 && value < 48) return this.#bytes(0x90 + value);
    const bytes = Buffer.alloc(5);
    bytes[0] = 0x49;
    bytes.writeInt32BE(value, 1);
    this.#parts.push(bytes);
  }

  #long(value: bigint): void {
    if (BigInt.asIntN(64, value) !== value)
      throw refused(`the number ${String(value).slice(0, 40)} has more than 64 bits`);
    const bytes = Buffer.alloc(9);
    bytes[0] = 0x4c;
    bytes.writeBigInt64BE(value, 1);
    this.#parts.push(bytes);
  }

  #bytes(...bytes: number[]): void {
    this.#parts.push(Uint8Array.from(bytes));
  }
}

/** Each code unit alone, halves of characters too, as Java's implementation has it. */
function unitsOf(text: string): Buffer {
  if (!/[\uD800-\uDFFF]/.test(text)) return Buffer.from(text);
  const bytes = Buffer.alloc(text.length * 3);
  let at = 0;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) bytes[at++] = unit;
    else if (unit < 0x800) {
      bytes[at++] = 0xc0 | (unit >> 6);
      bytes[at++] = 0x80 | (unit & 0x3f);
    } else {
      bytes[at++] = 0xe0 | (unit >> 12);
      bytes[at++] = 0x80 | ((unit >> 6) & 0x3f);
      bytes[at++] = 0x80 | (unit & 0x3f);
    }
  }
  return bytes.subarray(0, at);
}

function refused(text: string): BindingError {
  return new BindingError("invalid_argument", `dubbo: ${text}`);
}
