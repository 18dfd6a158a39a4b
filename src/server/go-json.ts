/** What Go's JSON decoder would say of a text; Dapr's clients see these words. */
export class JsonError extends Error {
  override readonly name = "JsonError";
}

/** A part of a JSON text: from its first byte up to, not including, `end`. */
export type Span = { readonly start: number; readonly end: number };

const maxDepth = 10_000;
const quote = 0x22;

/**
 * Walks over JSON bytes and finds where values begin and end, so that a value can be passed on byte for
 * byte. Errors read as those of Go's `encoding/json`.
 */
export class JsonScanner {
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** The first byte from `at` on that is no white space. Throws `unexpected EOF` (or `EOF`) when there is none. */
  skipSpace(at: number, whenOver = "unexpected EOF"): number {
    const bytes = this.#bytes;
    let position = at;
    while (isSpace(bytes[position])) position++;
    if (position >= bytes.length) throw new JsonError(whenOver);
    return position;
  }

  /** The byte at a position; throws when the text is over. */
  byte(at: number): number {
    const byte = this.#bytes[at];
    if (byte === undefined) throw new JsonError("unexpected EOF");
    return byte;
  }

  /** Checks the value that begins at `at` and returns where it ends. */
  skipValue(at: number, depth = 0): number {
    const byte = this.byte(at);
    if (depth > maxDepth) throw new JsonError("exceeded max depth");
    if (byte === quote) return this.skipString(at);
    if (byte === 0x7b) return this.#skipObject(at, depth);
    if (byte === 0x5b) return this.#skipArray(at, depth);
    if (byte === 0x2d || isDigit(byte)) return this.#skipNumber(at);
    for (const literal of ["true", "false", "null"]) {
      if (byte === literal.charCodeAt(0)) return this.#skipLiteral(at, literal);
    }
    throw this.#wrong(at, "looking for beginning of value");
  }

  /** Goes over an object's members; `member` gets the key and where its value is. Returns where the object ends. */
  members(at: number, member: (key: string, value: Span) => void, depth = 0): number {
    let position = this.skipSpace(at + 1);
    if (this.byte(position) === 0x7d) return position + 1;
    for (;;) {
      if (this.byte(position) !== quote) throw this.#wrong(position, "looking for beginning of object key string");
      const keyEnd = this.skipString(position);
      const key = this.text({ start: position, end: keyEnd });
      position = this.skipSpace(keyEnd);
      if (this.byte(position) !== 0x3a) throw this.#wrong(position, "after object key");
      const start = this.skipSpace(position + 1);
      const end = this.skipValue(start, depth + 1);
      member(key, { start, end });
      position = this.skipSpace(end);
      const next = this.byte(position);
      if (next === 0x7d) return position + 1;
      if (next !== 0x2c) throw this.#wrong(position, "after object key:value pair");
      position = this.skipSpace(position + 1);
    }
  }

  /** A JSON string's text; what is no UTF-8 becomes U+FFFD. */
  text({ start, end }: Span): string {
    const raw = this.#bytes.toString("utf8", start, end);
    if (!raw.includes("\\")) return raw.slice(1, -1);
    const text: unknown = JSON.parse(raw);
    return typeof text === "string" ? text.toWellFormed() : "";
  }

  /** Go's word for the kind of value that begins at a position. */
  kind(at: number): "string" | "object" | "array" | "bool" | "null" | "number" {
    switch (this.byte(at)) {
      case quote:
        return "string";
      case 0x7b:
        return "object";
      case 0x5b:
        return "array";
      case 0x74:
      case 0x66:
        return "bool";
      case 0x6e:
        return "null";
      default:
        return "number";
    }
  }

  skipString(at: number): number {
    const bytes = this.#bytes;
    for (let position = at + 1; position < bytes.length; position++) {
      const byte = this.byte(position);
      if (byte === quote) return position + 1;
      if (byte < 0x20) throw this.#wrong(position, "in string literal");
      if (byte !== 0x5c) continue;
      position++;
      const escape = this.byte(position);
      if (escape === 0x75) {
        for (let digit = 0; digit < 4; digit++) {
          position++;
          if (!isHexDigit(this.byte(position))) throw this.#wrong(position, "in \\u hexadecimal character escape");
        }
      } else if (!'"\\/bfnrt'.includes(String.fromCharCode(escape))) {
        throw this.#wrong(position, "in string escape code");
      }
    }
    throw new JsonError("unexpected EOF");
  }

  #skipObject(at: number, depth: number): number {
    return this.members(at, () => undefined, depth);
  }

  #skipArray(at: number, depth: number): number {
    let position = this.skipSpace(at + 1);
    if (this.byte(position) === 0x5d) return position + 1;
    for (;;) {
      position = this.skipSpace(this.skipValue(position, depth + 1));
      const next = this.byte(position);
      if (next === 0x5d) return position + 1;
      if (next !== 0x2c) throw this.#wrong(position, "after array element");
      position = this.skipSpace(position + 1);
    }
  }

  #skipNumber(at: number): number {
    const bytes = this.#bytes;
    let position = at;
    if (bytes[position] === 0x2d) position++;
    if (!isDigit(this.byte(position))) throw this.#wrong(position, "in numeric literal");
    if (bytes[position] === 0x30) position++;
    else position = this.#skipDigits(position);
    if (bytes[position] === 0x2e) {
      position++;
      if (!isDigit(this.byte(position))) throw this.#wrong(position, "after decimal point in numeric literal");
      position = this.#skipDigits(position);
    }
    if (bytes[position] === 0x65 || bytes[position] === 0x45) {
      position++;
      const sign = this.byte(position);
      if (sign === 0x2b || sign === 0x2d) position++;
      if (!isDigit(this.byte(position))) throw this.#wrong(position, "in exponent of numeric literal");
      position = this.#skipDigits(position);
    }
    return position;
  }

  #skipDigits(at: number): number {
    let position = at;
    while (isDigit(this.#bytes[position])) position++;
    return position;
  }

  #skipLiteral(at: number, literal: string): number {
    for (let index = 1; index < literal.length; index++) {
      if (this.byte(at + index) !== literal.charCodeAt(index)) {
        throw this.#wrong(at + index, `in literal ${literal} (expecting '${literal[index] ?? ""}')`);
      }
    }
    return at + literal.length;
  }

  #wrong(at: number, context: string): JsonError {
    return new JsonError(`invalid character ${quoteByte(this.byte(at))} ${context}`);
  }
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

function isHexDigit(byte: number): boolean {
  return isDigit(byte) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66);
}

/** A byte as Go quotes it: its code point in single quotes, control characters escaped. */
function quoteByte(byte: number): string {
  if (byte === 0x27) return String.raw`'\''`;
  if (byte === 0x22) return `'"'`;
  const escapes: Readonly<Record<number, string>> = { 7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r", 92: "\\" };
  const escape = escapes[byte];
  if (escape !== undefined) return `'\\${escape}'`;
  if (byte < 0x20 || (byte >= 0x7f && byte < 0xa0)) return `'\\x${byte.toString(16).padStart(2, "0")}'`;
  return `'${String.fromCharCode(byte)}'`;
}

/** JSON as Go writes it for browsers' sake: `<`, `>`, `&`, U+2028 and U+2029 escaped. */
export function goJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
