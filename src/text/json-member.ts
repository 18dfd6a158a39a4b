const quote = 0x22;
const comma = 0x2c;
const colon = 0x3a;
const backslash = 0x5c;
const opening = new Set([0x5b, 0x7b]);
const closing = new Set([0x5d, 0x7d]);
const space = new Set([0x09, 0x0a, 0x0d, 0x20]);

/**
 * The text of a member's value in the text of a JSON object, which must be valid; of two the last, as `JSON.parse` has
 * it. So numbers keep their digits, and names their order. `undefined`: there is none.
 */
export function memberText(object: Buffer, name: string): Buffer | undefined {
  let found: Buffer | undefined;
  let depth = 0;
  let key: string | undefined;
  let from = 0;
  for (let at = 0; at < object.length; at++) {
    const byte = object[at] ?? 0;
    if (byte === quote) {
      const end = endOfString(object, at);
      if (depth === 1 && key === undefined)
        key = JSON.parse(object.toString("utf8", at, end + 1)) as string;
      at = end;
    } else if (opening.has(byte)) depth++;
    else if (depth === 1 && byte === colon) from = at + 1;
    else if (closing.has(byte) || (depth === 1 && byte === comma)) {
      if (depth === 1 && key === name) found = trimmed(object.subarray(from, at));
      if (depth === 1) key = undefined;
      if (byte !== comma) depth--;
    }
  }
  return found;
}

/** Where the string that begins there ends: the place of its last quote. */
function endOfString(text: Buffer, begin: number): number {
  for (let at = begin + 1; at < text.length; at++) {
    if (text[at] === backslash) at++;
    else if (text[at] === quote) return at;
  }
  return text.length;
}

function trimmed(text: Buffer): Buffer {
  let begin = 0;
  let end = text.length;
  while (begin < end && space.has(text[begin] ?? 0)) begin++;
  while (end > begin && space.has(text[end - 1] ?? 0)) end--;
  return text.subarray(begin, end);
}
