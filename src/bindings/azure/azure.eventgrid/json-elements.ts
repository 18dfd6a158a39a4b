const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const opening = new Set([0x5b, 0x7b]);
const closing = new Set([0x5d, 0x7d]);

/** The bytes of each element of an array, as they came. `text`: a valid text of JSON that is an array. */
export function elementsOf(text: Uint8Array): Uint8Array[] {
  const elements: Uint8Array[] = [];
  let depth = 0;
  let begin = 0;
  let isInString = false;
  const take = (end: number): void => {
    const element = trimmed(text.subarray(begin, end));
    if (element.length > 0) elements.push(element);
    begin = end + 1;
  };
  for (let at = 0; at < text.length; at++) {
    const byte = text[at] ?? 0;
    if (isInString) {
      if (byte === backslash) at++;
      else if (byte === quote) isInString = false;
    } else if (byte === quote) isInString = true;
    else if (opening.has(byte)) {
      if (++depth === 1) begin = at + 1;
    } else if (closing.has(byte)) {
      if (--depth === 0) take(at);
    } else if (byte === comma && depth === 1) take(at);
  }
  return elements;
}

function trimmed(bytes: Uint8Array): Uint8Array {
  let begin = 0;
  let end = bytes.length;
  while (begin < end && (bytes[begin] ?? 0) <= 0x20) begin++;
  while (end > begin && (bytes[end - 1] ?? 0) <= 0x20) end--;
  return bytes.subarray(begin, end);
}
