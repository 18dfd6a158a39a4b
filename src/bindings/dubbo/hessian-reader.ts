/** An instance of a class, or a map with a type. */
export class HessianObject {
  readonly type: string;
  readonly fields = new Map<unknown, unknown>();

  constructor(type: string) {
    this.type = type;
  }
}

type ClassDefinition = { readonly type: string; readonly fields: readonly string[] };

const deepest = 128;
const end = Symbol("end");

/**
 * Reads values of Hessian 2: texts, numbers (longs as `bigint`), booleans, `Date`s, bytes, arrays, and {@link HessianObject}s for
 * maps and instances. Throws an `Error` where the bytes are none.
 */
export class HessianReader {
  readonly #bytes: Buffer;
  readonly #types: string[] = [];
  readonly #classes: ClassDefinition[] = [];
  readonly #references: unknown[] = [];
  #at = 0;
  #depth = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Whether all was read. */
  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** The next value. */
  read(): unknown {
    const value = this.#value();
    if (value === end) throw new Error("an end where a value was expected");
    return value;
  }

  #value(): unknown {
    if (++this.#depth > deepest) throw new Error("values are nested too deeply");
    try {
      return this.#tagged(this.#byte());
    } finally {
      this.#depth--;
    }
  }

  #tagged(tag: number): unknown {
    if (tag < 0x20) return this.#text(tag);
    if (tag < 0x30) return this.#take(tag - 0x20);
    if (tag < 0x34) return this.#text(((tag - 0x30) << 8) | this.#byte());
    if (tag < 0x38) return this.#take(((tag - 0x34) << 8) | this.#byte());
    if (tag < 0x40) return BigInt(((tag - 0x3c) << 16) | this.#short());
    if (tag >= 0x60 && tag < 0x70) return this.#instance(tag - 0x60);
    if (tag >= 0x70 && tag < 0x78) return this.#typed(tag - 0x70);
    if (tag >= 0x78 && tag < 0x80) return this.#list(tag - 0x78);
    if (tag >= 0x80 && tag < 0xc0) return tag - 0x90;
    if (tag >= 0xc0 && tag < 0xd0) return ((tag - 0xc8) << 8) | this.#byte();
    if (tag >= 0xd0 && tag < 0xd8) return ((tag - 0xd4) << 16) | this.#short();
    if (tag >= 0xd8 && tag < 0xf0) return BigInt(tag - 0xe0);
    if (tag >= 0xf0) return BigInt(((tag - 0xf8) << 8) | this.#byte());
    return this.#letter(tag);
  }

  #letter(tag: number): unknown {
    switch (tag) {
      case 0x41: // A
      case 0x42: // B
        return this.#binary(tag);
      case 0x43: // C
        this.#define();
        return this.#value();
      case 0x44: // D
        return this.#take(8).readDoubleBE(0);
      case 0x46: // F
        return false;
      case 0x48: // H
        return this.#map("");
      case 0x49: // I
        return this.#int();
      case 0x4a:
        return new Date(Number(this.#take(8).readBigInt64BE(0)));
      case 0x4b:
        return new Date(this.#int() * 60_000);
      case 0x4c: // L
        return this.#take(8).readBigInt64BE(0);
      case 0x4d: // M
        return this.#map(this.#type());
      case 0x4e: // N
        return null;
      case 0x4f: // O
        return this.#instance(this.#count());
      case 0x51: // Q
        return this.#reference();
      case 0x52: // R
      case 0x53: // S
        return this.#chunks(tag);
      case 0x54: // T
        return true;
      case 0x55: // U
        this.#type();
        return this.#list(undefined);
      case 0x56: // V
        return this.#typed(undefined);
      case 0x57:
        return this.#list(undefined);
      case 0x58:
        return this.#list(this.#count());
      case 0x59:
        return BigInt(this.#int());
      case 0x5a: // Z
        return end;
      case 0x5b:
        return 0;
      case 0x5c:
        return 1;
      case 0x5d:
        return this.#take(1).readInt8(0);
      case 0x5e:
        return this.#take(2).readInt16BE(0);
      case 0x5f:
        return this.#int() / 1000;
      default:
        throw new Error(`there is no tag ${tag.toString(16)}`);
    }
  }

  #typed(length: number | undefined): unknown {
    this.#type();
    return this.#list(length ?? this.#count());
  }

  #list(length: number | undefined): unknown[] {
    const list: unknown[] = [];
    this.#references.push(list);
    // Each is a byte at least.
    if (length !== undefined && length > this.#bytes.length - this.#at)
      throw new Error("a list is longer than the bytes that are there");
    for (;;) {
      if (list.length === length) return list;
      const value = this.#value();
      if (value !== end) list.push(value);
      else if (length === undefined) return list;
      else throw new Error("a list ends too early");
    }
  }

  #map(type: string): HessianObject {
    const map = new HessianObject(type);
    this.#references.push(map);
    for (;;) {
      const name = this.#value();
      if (name === end) return map;
      map.fields.set(name, this.read());
    }
  }

  #define(): void {
    const type = this.#string();
    const count = this.#count();
    if (count > this.#bytes.length - this.#at) throw new Error("a class has too many fields");
    const fields = Array.from({ length: count }, () => this.#string());
    this.#classes.push({ type, fields });
  }

  #instance(index: number): HessianObject {
    const definition = this.#classes[index];
    if (definition === undefined) throw new Error(`there is no class ${index}`);
    const object = new HessianObject(definition.type);
    this.#references.push(object);
    for (const field of definition.fields) object.fields.set(field, this.read());
    return object;
  }

  #reference(): unknown {
    const index = this.#count();
    if (index >= this.#references.length) throw new Error(`there is no value ${index}`);
    return this.#references[index];
  }

  /** The name of a type, or its place among those before. */
  #type(): string {
    const value = this.read();
    if (typeof value === "string") {
      this.#types.push(value);
      return value;
    }
    const known = typeof value === "number" ? this.#types[value] : undefined;
    if (known === undefined) throw new Error("there is no such type");
    return known;
  }

  #string(): string {
    const value = this.read();
    if (typeof value !== "string") throw new Error("a text was expected");
    return value;
  }

  #count(): number {
    const value = this.read();
    if (typeof value !== "number" || value < 0 || !Number.isInteger(value))
      throw new Error("a count was expected");
    return value;
  }

  #binary(first: number): Buffer {
    const parts: Buffer[] = [];
    for (let tag = first; ; tag = this.#byte()) {
      if (tag === 0x41 || tag === 0x42) parts.push(this.#take(this.#short()));
      else if (tag >= 0x20 && tag < 0x30) parts.push(this.#take(tag - 0x20));
      else if (tag >= 0x34 && tag < 0x38)
        parts.push(this.#take(((tag - 0x34) << 8) | this.#byte()));
      else throw new Error("bytes do not go on");
      if (tag !== 0x41) return Buffer.concat(parts);
    }
  }

  #chunks(first: number): string {
    const parts: string[] = [];
    for (let tag = first; ; tag = this.#byte()) {
      if (tag === 0x52 || tag === 0x53) parts.push(this.#text(this.#short()));
      else if (tag < 0x20) parts.push(this.#text(tag));
      else if (tag >= 0x30 && tag < 0x34)
        parts.push(this.#text(((tag - 0x30) << 8) | this.#byte()));
      else throw new Error("a text does not go on");
      if (tag !== 0x52) return parts.join("");
    }
  }

  /** So many UTF-16 code units. */
  #text(length: number): string {
    const start = this.#at;
    // Most texts are ASCII.
    let end = start;
    while (end - start < length && (this.#bytes[end] ?? 0x80) < 0x80) end++;
    if (end - start === length) {
      this.#at = end;
      return this.#bytes.toString("latin1", start, end);
    }
    const units: string[] = [];
    for (let count = 0; count < length; count++) {
      const byte = this.#byte();
      let unit = byte;
      if (byte >= 0xf0) {
        // Some write a whole character, which has two units.
        const rest = this.#take(3);
        const code =
          ((byte & 7) << 18) |
          ((at(rest, 0) & 0x3f) << 12) |
          ((at(rest, 1) & 0x3f) << 6) |
          (at(rest, 2) & 0x3f);
        if (code > 0x10_ff_ff) throw new Error("there is no such character");
        units.push(String.fromCodePoint(code));
        count++;
        continue;
      }
      if (byte >= 0xe0)
        unit = ((byte & 15) << 12) | ((this.#byte() & 0x3f) << 6) | (this.#byte() & 0x3f);
      else if (byte >= 0xc0) unit = ((byte & 31) << 6) | (this.#byte() & 0x3f);
      units.push(String.fromCharCode(unit));
    }
    return units.join("");
  }

  #byte(): number {
    return this.#take(1).readUInt8(0);
  }

  #short(): number {
    return this.#take(2).readUInt16BE(0);
  }

  #int(): number {
    return this.#take(4).readInt32BE(0);
  }

  #take(length: number): Buffer {
    if (this.#at + length > this.#bytes.length) throw new Error("the bytes end too early");
    return this.#bytes.subarray(this.#at, (this.#at += length));
  }
}

function at(bytes: Uint8Array, index: number): number {
  return bytes[index] ?? 0;
}
