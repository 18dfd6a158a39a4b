import type { HeaderField } from "./header-field.ts";
import { FieldKind, headerField, kindOfField, kindOfName } from "./header-field.ts";
import { defaultTableSize, HpackTable, staticTable } from "./hpack-table.ts";
import { encodeHuffman, huffmanLength } from "./huffman.ts";

export type HpackEncoderOptions = {
  /** Names whose values are sent as never-indexed literals (RFC 7541 7.1.3). */
  readonly neverIndexed?: ReadonlySet<string>;
};

/** An entry of the dynamic table, and the one before it of the same name. */
type Entry = { readonly value: string; readonly number: number; older: Entry | undefined };

/** What is known of a name that was sent. */
type SentName = {
  readonly name: string;
  readonly kind: FieldKind;
  readonly isNeverIndexed: boolean;
  /** The first static entry of this name, or 0. */
  readonly staticIndex: number;
  /** The static entries of this name by their values. */
  readonly staticValues: ReadonlyMap<string, number> | undefined;
  /** The static entry that was sent last, as a rule the only one. */
  staticValue: string | undefined;
  staticValueIndex: number;
  /** The youngest dynamic entry. It and older ones may have left the table. */
  entry: Entry | undefined;
  /** The value that was sent last, where it is one to be kept. */
  last: string | undefined;
};

/** So many names of one connection are remembered, none longer than this. */
const mostNames = 256;
const longestName = 128;

const staticNames = new Map<string, { index: number; values: Map<string, number> }>();
for (const [place, { name, value }] of staticTable.entries()) {
  const known = staticNames.get(name);
  if (known === undefined)
    staticNames.set(name, { index: place + 1, values: new Map([[value, place + 1]]) });
  else known.values.set(value, place + 1);
}

const noNames: ReadonlySet<string> = new Set();

/**
 * The encoding side of RFC 7541, one for each connection. A field that stands in a table is sent as its index. The first field of a
 * name is put into the table, a further value of the name only when it is sent twice in a row: so all that is constant soon costs one
 * byte, and what differs each time costs its bytes but pushes nothing out.
 */
export class HpackEncoder {
  readonly #neverIndexed: ReadonlySet<string>;
  readonly #table = new HpackTable(defaultTableSize);
  #names = new Map<string, SentName>();
  /** The smallest size that the table had since the last block; undefined where it was not changed. */
  #smallest: number | undefined;

  constructor(options?: HpackEncoderOptions) {
    this.#neverIndexed = options?.neverIndexed ?? noNames;
  }

  /** Bytes of the table, as RFC 7541 4.1 counts them. */
  get tableSize(): number {
    return this.#table.size;
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE, of which at most 4096 are used. The next block begins with the size updates. */
  setPeerTableSize(size: number): void {
    const used = Math.min(size, defaultTableSize);
    if (used === this.#table.maxSize) return;
    this.#smallest = Math.min(used, this.#smallest ?? used);
    this.#table.resize(used);
  }

  /** The most bytes that `encode` writes for these. */
  bound(fields: readonly string[]): number {
    let bound = 8 + fields.length * 6;
    for (let index = 0; index < fields.length; index++) bound += (fields[index] as string).length;
    return bound;
  }

  /**
   * Writes names and values in turn from `at` on, and answers the end. `out` has room for `bound` bytes. Throws TypeError for a name or value that
   * HTTP/2 does not carry; then nothing counts as sent.
   */
  encode(fields: readonly string[], out: Buffer, at: number): number {
    let end = this.#smallest === undefined ? at : this.#writeUpdates(out, at);
    // A field is checked when its turn comes; all at once before something enters the table, which cannot be undone.
    let isChecked = false;
    for (let place = 0; place < fields.length; place += 2) {
      const value = fields[place + 1] as string;
      const sent = this.#sentName(fields[place] as string);
      const index = this.#find(sent, value);
      if (index > 0) {
        end = writeInteger(out, end, 0x80, 0x7f, index);
        continue;
      }
      const nameIndex = this.#nameIndex(sent);
      if (sent.isNeverIndexed) {
        end = writeName(out, end, 0x10, 0x0f, nameIndex, sent.name);
        end = writeChecked(out, end, sent, value);
      } else if ((nameIndex === 0 || sent.last === value) && this.#fits(sent.name, value)) {
        if (!isChecked) {
          this.#checkFrom(fields, place);
          isChecked = true;
        }
        end = writeName(out, end, 0x40, 0x3f, nameIndex, sent.name);
        end = writeShorter(out, end, value);
        this.#insert(sent, value);
      } else {
        end = writeName(out, end, 0, 0x0f, nameIndex, sent.name);
        end = writeChecked(out, end, sent, value);
        if (value.length < defaultTableSize) sent.last = value;
      }
    }
    this.#smallest = undefined;
    return end;
  }

  #writeUpdates(out: Buffer, at: number): number {
    const size = this.#table.maxSize;
    const smallest = this.#smallest as number;
    const end = smallest < size ? writeInteger(out, at, 0x20, 0x1f, smallest) : at;
    return writeInteger(out, end, 0x20, 0x1f, size);
  }

  #sentName(name: string): SentName {
    const known = this.#names.get(name);
    if (known !== undefined) return known;
    const kind = kindOfName(name);
    if (kind === FieldKind.malformed || kind === FieldKind.connectionSpecific)
      throw wrongName(name);
    const own = staticNames.get(name);
    const sent: SentName = {
      name,
      kind,
      isNeverIndexed: this.#neverIndexed.has(name),
      staticIndex: own?.index ?? 0,
      staticValues: own?.values,
      staticValue: undefined,
      staticValueIndex: 0,
      entry: undefined,
      last: undefined,
    };
    if (name.length > longestName) return sent;
    // Full of names that hardly come again: those in use are learned anew.
    if (this.#names.size >= mostNames) this.#names = new Map();
    this.#names.set(name, sent);
    return sent;
  }

  /** The index of this field, or 0. */
  #find(sent: SentName, value: string): number {
    if (sent.isNeverIndexed) return 0;
    if (value === sent.staticValue) return sent.staticValueIndex;
    let entry = this.#youngest(sent);
    while (entry !== undefined) {
      if (entry.value === value) return this.#table.indexOf(entry.number);
      if (entry.older !== undefined && !this.#table.has(entry.older.number))
        entry.older = undefined;
      entry = entry.older;
    }
    const fixed = sent.staticValues?.get(value);
    if (fixed === undefined) return 0;
    sent.staticValue = value;
    return (sent.staticValueIndex = fixed);
  }

  #youngest(sent: SentName): Entry | undefined {
    const { entry } = sent;
    if (entry !== undefined && !this.#table.has(entry.number)) sent.entry = undefined;
    return sent.entry;
  }

  #nameIndex(sent: SentName): number {
    if (sent.staticIndex > 0) return sent.staticIndex;
    const entry = this.#youngest(sent);
    return entry === undefined ? 0 : this.#table.indexOf(entry.number);
  }

  /** A field that would push more than half of the table out is not worth it. */
  #fits(name: string, value: string): boolean {
    return (name.length + value.length + 32) * 2 <= this.#table.maxSize;
  }

  #insert(sent: SentName, value: string): void {
    const field: HeaderField = headerField(sent.name, value, FieldKind.regular);
    const number = this.#table.added;
    this.#table.add(field);
    sent.entry = { value, number, older: this.#youngest(sent) };
    sent.last = value;
  }

  #checkFrom(fields: readonly string[], start: number): void {
    for (let place = start; place < fields.length; place += 2) {
      const sent = this.#sentName(fields[place] as string);
      const value = fields[place + 1] as string;
      if (this.#find(sent, value) === 0) checkValue(sent, value);
    }
  }
}

/** Throws TypeError for names and values that HTTP/2 does not carry, as {@link HpackEncoder.encode} does. */
export function checkFields(fields: readonly string[]): void {
  for (let place = 0; place < fields.length; place += 2) {
    const name = fields[place] as string;
    const kind = kindOfName(name);
    if (kind === FieldKind.malformed || kind === FieldKind.connectionSpecific)
      throw wrongName(name);
    if (kindOfField(kind, fields[place + 1] as string) === FieldKind.malformed)
      throw wrongValue(name);
  }
}

function wrongName(name: string): TypeError {
  return new TypeError(`HTTP/2 has no header ${JSON.stringify(name)}`);
}

function checkValue({ name, kind }: SentName, value: string): void {
  if (kindOfField(kind, value) === FieldKind.malformed) throw wrongValue(name);
}

function wrongValue(name: string): TypeError {
  return new TypeError(
    `the header ${name} cannot have this value: it is not one of this name, or it has CR, LF, NUL, blanks around it or a character beyond U+00FF`,
  );
}

/** RFC 7541 5.1, below 2³¹. */
function writeInteger(
  out: Buffer,
  at: number,
  pattern: number,
  prefix: number,
  value: number,
): number {
  if (value < prefix) {
    out[at] = pattern | value;
    return at + 1;
  }
  out[at] = pattern | prefix;
  let end = at + 1;
  let rest = value - prefix;
  for (; rest >= 0x80; rest >>>= 7) out[end++] = (rest & 0x7f) | 0x80;
  out[end++] = rest;
  return end;
}

function writeName(
  out: Buffer,
  at: number,
  pattern: number,
  prefix: number,
  index: number,
  name: string,
): number {
  const end = writeInteger(out, at, pattern, prefix, index);
  return index > 0 ? end : writeShorter(out, end, name);
}

function writePlain(out: Buffer, at: number, text: string): number {
  const start = writeInteger(out, at, 0, 0x7f, text.length);
  for (let index = 0; index < text.length; index++) out[start + index] = text.charCodeAt(index);
  return start + text.length;
}

/** As `checkValue` and `writePlain`, in one go where nothing but the form of all values is to be checked. */
function writeChecked(out: Buffer, at: number, { name, kind }: SentName, value: string): number {
  if (kind !== FieldKind.regular && kindOfField(kind, value) === FieldKind.malformed)
    throw wrongValue(name);
  const { length } = value;
  const start = writeInteger(out, at, 0, 0x7f, length);
  for (let index = 0; index < length; index++) {
    const code = value.charCodeAt(index);
    if (code > 0xff || (code < 33 && !isInner(code, index, length))) throw wrongValue(name);
    out[start + index] = code;
  }
  return start + length;
}

/** Whether a blank or control character may stand at this place of a value. */
function isInner(code: number, index: number, length: number): boolean {
  if (code === 32 || code === 9) return index > 0 && index < length - 1;
  return code !== 0 && code !== 10 && code !== 13;
}

function writeShorter(out: Buffer, at: number, text: string): number {
  const length = huffmanLength(text);
  if (length >= text.length) return writePlain(out, at, text);
  return encodeHuffman(text, out, writeInteger(out, at, 0x80, 0x7f, length));
}
