import { HeaderBlock } from "./header-block.ts";
import type { HeaderField } from "./header-field.ts";
import { FieldKind, headerField, kindOfField } from "./header-field.ts";
import { HpackError } from "./hpack-error.ts";
import { HpackTable } from "./hpack-table.ts";
import { decodeHuffman, huffmanDecodedBound } from "./huffman.ts";
import type { KnownName } from "./known-names.ts";
import { knownName } from "./known-names.ts";

/** `latin1Slice` is what `toString("latin1")` ends in. */
type Latin1Buffer = Buffer & { latin1Slice(start: number, end: number): string };

/** For the text of one string at a time; a longer one has a buffer for itself. */
const scratch = Buffer.allocUnsafeSlow(4096) as Latin1Buffer;

export type HpackDecoderOptions = {
  /** The SETTINGS_HEADER_TABLE_SIZE that we announce, in bytes. */
  readonly maxTableSize: number;
  /** The largest sum of the sizes of a block's fields, in bytes; the fields beyond are left out of the block. */
  readonly maxListSize: number;
};

/** The decoding side of RFC 7541, one for each connection. After an error the connection is of no use. */
export class HpackDecoder {
  readonly #maxListSize: number;
  readonly #table: HpackTable;
  /** What we announced last, as far as the peer has acknowledged it. */
  #maxTableSize: number;
  /** The next block must begin with an update to this size or a smaller one (RFC 7541 4.2); undefined: it need not. */
  #dueSize: number | undefined;
  /** Where the block is read. */
  #position = 0;
  /** Whether the string that was read last has neither CR, LF nor NUL. */
  #isClean = true;

  constructor(options: HpackDecoderOptions) {
    this.#maxListSize = options.maxListSize;
    this.#maxTableSize = options.maxTableSize;
    this.#table = new HpackTable(options.maxTableSize);
  }

  /** Bytes of the table, as RFC 7541 4.1 counts them. */
  get tableSize(): number {
    return this.#table.size;
  }

  /** To call when the peer acknowledged another SETTINGS_HEADER_TABLE_SIZE than the one before. */
  setMaxTableSize(size: number): void {
    this.#maxTableSize = size;
    if (size < this.#table.maxSize) this.#dueSize = Math.min(size, this.#dueSize ?? size);
  }

  /** Decodes a whole block. Throws HpackError. */
  decode(bytes: Buffer, start: number, end: number): HeaderBlock {
    const fields: HeaderField[] = [];
    let size = 0;
    let isTooLarge = false;
    this.#position = start;
    this.#updateTable(bytes, end);
    while (this.#position < end) {
      const first = bytes[this.#position++] as number;
      let field: HeaderField | undefined;
      if (first >= 0x80) {
        const index = first === 0xff ? this.#integer(bytes, end, 0x7f) : first & 0x7f;
        field = this.#table.get(index);
        if (field === undefined) throw new HpackError(`no header has the index ${index}`);
      } else if (first >= 0x40) {
        field = this.#literal(bytes, end, first & 0x3f, 0x3f);
        this.#table.add(field);
      } else if (first >= 0x20) {
        throw new HpackError("a table size update stands behind a header");
      } else {
        field = this.#literal(bytes, end, first & 0x0f, 0x0f);
      }
      if (isTooLarge || size + field.size > this.#maxListSize) {
        isTooLarge = true;
      } else {
        size += field.size;
        fields.push(field);
      }
    }
    return new HeaderBlock(fields, size, isTooLarge);
  }

  /** The size updates at the begin of a block. */
  #updateTable(bytes: Buffer, end: number): void {
    while (this.#position < end) {
      const first = bytes[this.#position] as number;
      if (first < 0x20 || first >= 0x40) break;
      this.#position++;
      const size = first === 0x3f ? this.#integer(bytes, end, 0x1f) : first & 0x1f;
      const most = this.#dueSize ?? this.#maxTableSize;
      if (size > most) throw new HpackError(`a table of ${size} bytes is larger than ${most}`);
      this.#table.resize(size);
      this.#dueSize = undefined;
    }
    if (this.#dueSize !== undefined)
      throw new HpackError("a header block does not begin with the table size update that is due");
  }

  /** The rest of an integer whose prefix is full, at most 2³¹ − 1 (RFC 7541 5.1). */
  #integer(bytes: Buffer, end: number, prefix: number): number {
    let value = prefix;
    for (let shift = 0; shift <= 28; shift += 7) {
      if (this.#position >= end) throw new HpackError("a header block ends within an integer");
      const byte = bytes[this.#position++] as number;
      value += (byte & 0x7f) * 2 ** shift;
      if (value > 0x7fffffff) break;
      if (byte < 0x80) return value;
    }
    throw new HpackError("an integer in a header block is too large");
  }

  #literal(bytes: Buffer, end: number, nameBits: number, prefix: number): HeaderField {
    let name: string;
    let nameKind: FieldKind;
    if (nameBits === 0) {
      const known: KnownName = knownName(this.#string(bytes, end));
      name = known.name;
      nameKind = known.kind;
    } else {
      const index = nameBits === prefix ? this.#integer(bytes, end, prefix) : nameBits;
      const before = this.#table.get(index);
      if (before === undefined) throw new HpackError(`no header has the index ${index}`);
      name = before.name;
      // What made that one malformed may have been its value.
      nameKind = before.kind === FieldKind.malformed ? knownName(name).kind : before.kind;
    }
    const value = this.#string(bytes, end);
    return headerField(name, value, kindOfField(nameKind, value, this.#isClean));
  }

  #string(bytes: Buffer, end: number): string {
    if (this.#position >= end) throw new HpackError("a header block ends within a header");
    const first = bytes[this.#position++] as number;
    const bits = first & 0x7f;
    const length = bits === 0x7f ? this.#integer(bytes, end, 0x7f) : bits;
    const start = this.#position;
    if (length > end - start) throw new HpackError("a header block ends within a string");
    this.#position = start + length;
    if (first < 0x80) {
      this.#isClean = isClean(bytes, start, start + length);
      return (bytes as Latin1Buffer).latin1Slice(start, start + length);
    }
    const bound = huffmanDecodedBound(length);
    const text =
      bound <= scratch.length ? scratch : (Buffer.allocUnsafeSlow(bound) as Latin1Buffer);
    const decoded = decodeHuffman(bytes, start, start + length, text);
    this.#isClean = decoded >= 0;
    return text.latin1Slice(0, decoded >= 0 ? decoded : ~decoded);
  }
}

function isClean(bytes: Buffer, start: number, end: number): boolean {
  for (let index = start; index < end; index++) {
    const byte = bytes[index] as number;
    if (byte < 14 && (byte === 13 || byte === 10 || byte === 0)) return false;
  }
  return true;
}
