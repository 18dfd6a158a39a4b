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

  /** Throws where anything but white space comes from `at` on. */
  expectEnd(at: number): void {
    let position = at;
    while (isSpace(this.#bytes[position])) position++;
    if (position < this.#bytes.length) throw this.#wrong(position, "after top-level value");
  }

  /** The byte at a position; throws when the text is over. */
  byte(at: number): number {
    const byte = this.#bytes[at];
    if (byte === undefined) throw new JsonError("unexpected EOF");
    return byte;
  }

  /** Checks the value that begins at `at` and returns where it ends. Takes no stack for what is nested. */
  skipValue(at: number): number {
    // One entry for each value that is open: whether it is an object.
    const open: boolean[] = [];
    let position = at;
    for (;;) {
      const byte = this.byte(position);
      if (byte === 0x7b || byte === 0x5b) {
        if (open.length === maxDepth) throw new JsonError("exceeded max depth");
        open.push(byte === 0x7b);
        position = this.skipSpace(position + 1);
        if (this.byte(position) !== byte + 2) {
          if (byte === 0x7b) position = this.#skipKey(position);
          continue;
        }
        open.pop();
        position++;
      } else {
        position = this.#skipScalar(position, byte);
      }
      position = this.#skipAfterValue(position, open);
      if (open.length === 0) return position;
    }
  }

  /** Closes what ends after a value; returns where the next value begins, or the end when nothing is open any more. */
  #skipAfterValue(at: number, open: boolean[]): number {
    let position = at;
    while (open.length > 0) {
      const inObject = open[open.length - 1] === true;
      position = this.skipSpace(position);
      const byte = this.byte(position);
      if (byte === 0x2c) {
        position = this.skipSpace(position + 1);
        return inObject ? this.#skipKey(position) : position;
      }
      if (byte !== (inObject ? 0x7d : 0x5d)) {
        throw this.#wrong(
          position,
          inObject ? "after object key:value pair" : "after array element",
        );
      }
      open.pop();
      position++;
    }
    return position;
  }

  /** Checks a key and its colon, and returns where the value begins. */
  #skipKey(at: number): number {
    if (this.byte(at) !== quote)
      throw this.#wrong(at, "looking for beginning of object key string");
    const position = this.skipSpace(this.skipString(at));
    if (this.byte(position) !== 0x3a) throw this.#wrong(position, "after object key");
    return this.skipSpace(position + 1);
  }

  #skipScalar(at: number, byte: number): number {
    if (byte === quote) return this.skipString(at);
    if (byte === 0x2d || isDigit(byte)) return this.#skipNumber(at);
    if (byte === 0x74) return this.#skipLiteral(at, "true");
    if (byte === 0x66) return this.#skipLiteral(at, "false");
    if (byte === 0x6e) return this.#skipLiteral(at, "null");
    throw this.#wrong(at, "looking for beginning of value");
  }

  /** Goes over an object's members; `member` gets the key and where its value is. Returns where the object ends. */
  members(at: number, member: (key: string, value: Span) => void): number {
    let position = this.skipSpace(at + 1);
    if (this.byte(position) === 0x7d) return position + 1;
    for (;;) {
      const start = this.#skipKey(position);
      const key = this.text({ start: position, end: this.skipString(position) });
      const end = this.skipValue(start);
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

  /** Checks the string that begins at `at` and returns where it ends. */
  skipString(at: number): number {
    const bytes = this.#bytes;
    const { length } = bytes;
    for (let position = at + 1; position < length; position++) {
      const byte = bytes[position] as number;
      if (byte === quote) return position + 1;
      if (byte < 0x20) throw this.#wrong(position, "in string literal");
      if (byte === 0x5c) position = this.#skipEscape(position + 1);
    }
    throw new JsonError("unexpected EOF");
  }

  /** Checks what follows a backslash and returns its last byte. */
  #skipEscape(at: number): number {
    const escape = this.byte(at);
    if (escape !== 0x75) {
      if (!'"\\/bfnrt'.includes(String.fromCharCode(escape)))
        throw this.#wrong(at, "in string escape code");
      return at;
    }
    for (let position = at + 1; position <= at + 4; position++) {
      if (!isHexDigit(this.byte(position)))
        throw this.#wrong(position, "in \\u hexadecimal character escape");
    }
    return at + 4;
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
      if (!isDigit(this.byte(position)))
        throw this.#wrong(position, "after decimal point in numeric literal");
      position = this.#skipDigits(position);
    }
    if (bytes[position] === 0x65 || bytes[position] === 0x45) {
      position++;
      const sign = this.byte(position);
      if (sign === 0x2b || sign === 0x2d) position++;
      if (!isDigit(this.byte(position)))
        throw this.#wrong(position, "in exponent of numeric literal");
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
        throw this.#wrong(
          at + index,
          `in literal ${literal} (expecting '${literal[index] ?? ""}')`,
        );
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
  const escapes: Readonly<Record<number, string>> = {
    7: "a",
    8: "b",
    9: "t",
    10: "n",
    11: "v",
    12: "f",
    13: "r",
    92: "\\",
  };
  const escape = escapes[byte];
  if (escape !== undefined) return `'\\${escape}'`;
  if (byte < 0x20 || (byte >= 0x7f && byte < 0xa0))
    return `'\\x${byte.toString(16).padStart(2, "0")}'`;
  return `'${String.fromCharCode(byte)}'`;
}

/** JSON as Go writes it for browsers' sake: `<`, `>`, `&`, U+2028 and U+2029 escaped. */
export function goJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
