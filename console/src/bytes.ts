const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder();
const encoder = new TextEncoder();

/** How bytes are shown or written. */
export type View = "json" | "text" | "hex";

/** The text that bytes are, or `undefined` where they are none: no UTF-8, or with control characters. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    const text = strict.decode(bytes);
    // eslint-disable-next-line no-control-regex
    return /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

/** The text of bytes, with marks where they are none. */
export function looseText(bytes: Uint8Array): string {
  return lenient.decode(bytes);
}

/** The bytes of a text. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}

/** Whether a text is JSON. */
function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Deeper levels are indented as this one is: whoever nests without end gets no page full of spaces. */
const deepest = 32;

/**
 * The text of JSON, indented, each number as it was written; `undefined` where it is no JSON. `cut`: the beginning of JSON, which
 * ends anywhere.
 */
export function prettyJson(text: string, { cut = false } = {}): string | undefined {
  if (!cut && !isJson(text)) return undefined;
  const parts: string[] = [];
  let depth = 0;
  const line = (): string => `\n${"  ".repeat(Math.min(depth, deepest))}`;
  let last = "";
  for (const token of jsonTokens(text)) {
    const isEnd = token === "}" || token === "]";
    // Empty ones stay together.
    if (last === "{" || last === "[") parts.push(isEnd ? "" : line());
    if (isEnd) {
      depth = Math.max(0, depth - 1);
      if (last !== "{" && last !== "[") parts.push(line());
    }
    if (token === "{" || token === "[") depth++;
    parts.push(token === ":" ? ": " : token);
    if (token === ",") parts.push(line());
    last = token;
  }
  return parts.join("");
}

/** Strings, brackets, commas, colons, and what is between them: numbers and words. */
function* jsonTokens(text: string): Generator<string> {
  const marks = /[^\s[\]{},:"]+|[[\]{},:"]/g;
  for (let found = marks.exec(text); found !== null; found = marks.exec(text)) {
    if (found[0] !== '"') {
      yield found[0];
      continue;
    }
    // A string of any length: no expression that would try to remember each of its characters.
    let end = marks.lastIndex;
    for (;;) {
      end = text.indexOf('"', end);
      if (end === -1) end = text.length;
      let escapes = 0;
      while (text[end - 1 - escapes] === "\\" && end - 1 - escapes > found.index) escapes++;
      end++;
      if (escapes % 2 === 0 || end >= text.length) break;
    }
    yield text.slice(found.index, end);
    marks.lastIndex = end;
  }
}

/** Characters that are not seen, or that show what follows in another order than it is in, each by its number. */
export function visible(text: string): string {
  return text.replaceAll(
    // eslint-disable-next-line no-control-regex
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g,
    (character) =>
      character === "\r"
        ? character
        : `⟨U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`,
  );
}

/** How the lines of a text end: each field of a browser makes them one feed. `mixed`: not all alike. */
export function lineEndOf(text: string): "\n" | "\r\n" | "\r" | "mixed" | undefined {
  const ends = new Set(text.match(/\r\n|\r|\n/g));
  const [one] = ends;
  return ends.size > 1 ? "mixed" : (one as "\n" | "\r\n" | "\r" | undefined);
}

/** A short value, as a header's: its text, or where it is none `0x 00 ff`. */
export function valueText(value: Uint8Array): string {
  const text = textOf(value);
  const isPlain = text !== undefined && !/^0x |[\r\n]/.test(text);
  return isPlain ? text : `0x ${hexOf(value).replaceAll("\n", " ")}`;
}

/** The bytes that such a text means; `undefined`: it begins with `0x ` and goes on with something else than digits. */
export function valueBytes(text: string): Uint8Array<ArrayBuffer> | undefined {
  return text.startsWith("0x ") ? fromHex(text.slice(3)) : bytesOf(text);
}

/** The view that suits bytes. `cut`: they are the beginning of more, and may end within a character or a value. */
export function bestView(bytes: Uint8Array, { cut = false } = {}): View {
  const text = textOf(cut ? bytes.subarray(0, wholeCharacters(bytes)) : bytes);
  if (text === undefined) return "hex";
  return /^\s*[[{]/.test(text) && isJson(text) ? "json" : "text";
}

/** So many bytes are whole characters of UTF-8, but for a last one that was cut off. */
function wholeCharacters(bytes: Uint8Array): number {
  let start = bytes.length - 1;
  // What goes on with a character begins with 10, three times at most.
  while (start > bytes.length - 4 && ((bytes[start] ?? 0) & 0xc0) === 0x80) start--;
  return (bytes[start] ?? 0) >= 0xc0 ? start : bytes.length;
}

/** Bytes in hexadecimal digits, in pairs, 16 a line. */
export function hexOf(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16)
    lines.push(pairs(bytes.subarray(at, at + 16)).join(" "));
  return lines.join("\n");
}

/** Bytes as a dump: offset, digits, and the printable characters. */
export function hexDump(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const part = bytes.subarray(at, at + 16);
    const shown = Array.from(part, (byte) =>
      byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "·",
    );
    const digits = pairs(part).join(" ").padEnd(47);
    lines.push(`${at.toString(16).padStart(6, "0")}  ${digits}  ${shown.join("")}`);
  }
  return lines.join("\n");
}

/** The bytes that hexadecimal digits write; `undefined` where they write none. Spaces and line ends do not count. */
export function fromHex(text: string): Uint8Array<ArrayBuffer> | undefined {
  const digits = text.replaceAll(/\s/g, "");
  if (digits.length % 2 !== 0 || /[^0-9a-f]/i.test(digits)) return undefined;
  const bytes = new Uint8Array(digits.length / 2);
  for (let at = 0; at < bytes.length; at++)
    bytes[at] = Number.parseInt(digits.slice(at * 2, at * 2 + 2), 16);
  return bytes;
}

/** What somebody has written, as bytes, or what is wrong with it. */
export function written(text: string, view: View): Uint8Array<ArrayBuffer> | string {
  if (view === "hex")
    return fromHex(text) ?? "Bytes are written as pairs of hexadecimal digits, such as 7b 22 61.";
  if (view === "text") return bytesOf(text);
  try {
    JSON.parse(text);
    return bytesOf(text);
  } catch (error) {
    return `This is not JSON: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** Whether two are the same bytes. */
export function sameBytes(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}

function pairs(bytes: Uint8Array): string[] {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"));
}
