/**
 * Takes the quotes off a Go literal, as Dapr's components do with the data of a call: `"…"` with Go's escapes, a
 * back-quoted text, or one character between single quotes. `undefined`: the bytes are no such literal. Of what JSON
 * allows, `\/` and surrogate pairs are none.
 */
export function goUnquote(data: Uint8Array): Uint8Array | undefined {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const quote = bytes[0];
  if (bytes.length < 2 || quote !== bytes.at(-1)) return undefined;
  const inner = bytes.subarray(1, -1);
  if (quote === backQuote)
    return inner.includes(backQuote) ? undefined : inner.filter((byte) => byte !== 0x0d);
  if (quote === 0x22) return unescape(inner.toString("utf8"), '"');
  if (quote !== 0x27) return undefined;
  const single = unescape(inner.toString("utf8"), "'");
  const isOne = single !== undefined && (single.length === 1 || /^.$/su.test(single.toString()));
  return isOne ? single : undefined;
}

const backQuote = 0x60;
const simple: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
};
const escape =
  /\\(?:([abfnrtv\\"'])|x([0-9a-fA-F]{2})|([0-7]{3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/y;

function unescape(text: string, quote: string): Buffer | undefined {
  const parts: Buffer[] = [];
  let pending = "";
  for (let at = 0; ; at = escape.lastIndex) {
    const next = text.indexOf("\\", at);
    const plain = text.slice(at, next === -1 ? undefined : next);
    if (plain.includes(quote) || plain.includes("\n")) return undefined;
    pending += plain;
    if (next === -1) break;
    escape.lastIndex = next;
    const found = escape.exec(text);
    if (found === null) return undefined;
    const [, letter, hex, octal, short, long] = found;
    if (letter !== undefined) {
      if (simple[letter] === undefined && letter !== quote) return undefined;
      pending += simple[letter] ?? letter;
      continue;
    }
    if (hex !== undefined || octal !== undefined) {
      // A byte, which need not be a character.
      const byte = hex === undefined ? parseInt(octal ?? "", 8) : parseInt(hex, 16);
      if (byte > 0xff) return undefined;
      parts.push(Buffer.from(pending), Buffer.from([byte]));
      pending = "";
      continue;
    }
    const point = parseInt(short ?? long ?? "", 16);
    if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return undefined;
    pending += String.fromCodePoint(point);
  }
  return Buffer.concat([...parts, Buffer.from(pending)]);
}
