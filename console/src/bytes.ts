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

/** The text of JSON, indented, each number as it was written; `undefined` where it is no JSON. */
export function prettyJson(text: string): string | undefined {
  try {
    JSON.parse(text);
  } catch {
    return undefined;
  }
  let [out, depth] = ["", 0];
  const line = (): string => `\n${"  ".repeat(depth)}`;
  // It is JSON: what is between strings, brackets, commas and colons is a number or a word.
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s[\]{},:"]+/g) ?? [];
  for (const [at, token] of tokens.entries()) {
    const next = tokens[at + 1] ?? "";
    if (token === "{" || token === "[") {
      depth++;
      out += /[\]}]/.test(next[0] ?? "") ? token : token + line();
    } else if (token === "}" || token === "]") {
      depth--;
      out += /[[{]/.test(tokens[at - 1]?.[0] ?? "") ? token : line() + token;
    } else if (token === ",") out += token + line();
    else out += token === ":" ? ": " : token;
  }
  return out;
}

/** The view that suits bytes. */
export function bestView(bytes: Uint8Array): View {
  const text = textOf(bytes);
  if (text === undefined) return "hex";
  return /^\s*[[{]/.test(text) && prettyJson(text) !== undefined ? "json" : "text";
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
