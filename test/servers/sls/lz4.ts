/** One block of LZ4, by its format's description: greedy, with the last place of each four bytes as the only memory. */
export function packLz4(bytes: Uint8Array): Buffer {
  const out: number[] = [];
  const places = new Map<number, number>();
  const lengthBytes = (length: number): number[] => {
    const more: number[] = [];
    let rest = length;
    for (; rest >= 255; rest -= 255) more.push(255);
    return [...more, rest];
  };
  const put = (literals: Uint8Array, match?: { offset: number; length: number }): void => {
    const short = Math.min(15, literals.length);
    const copied = match === undefined ? 0 : Math.min(15, match.length - 4);
    out.push((short << 4) | copied);
    if (short === 15) out.push(...lengthBytes(literals.length - 15));
    for (const byte of literals) out.push(byte);
    if (match === undefined) return;
    out.push(match.offset & 255, match.offset >> 8);
    if (copied === 15) out.push(...lengthBytes(match.length - 19));
  };
  const buffer = Buffer.from(bytes);
  let anchor = 0;
  let at = 0;
  // The format wants the last five bytes as literals, and no match that begins in the last twelve.
  while (at + 12 < buffer.length) {
    const word = buffer.readUInt32LE(at);
    const before = places.get(word);
    places.set(word, at);
    if (before === undefined || at - before > 65_535) {
      at++;
      continue;
    }
    let length = 4;
    while (at + length < buffer.length - 5 && buffer[before + length] === buffer[at + length])
      length++;
    put(buffer.subarray(anchor, at), { offset: at - before, length });
    at += length;
    anchor = at;
  }
  put(buffer.subarray(anchor));
  return Buffer.from(out);
}

export function unpackBlock(block: Buffer, size: number): Buffer {
  const out: number[] = [];
  let at = 0;
  const length = (short: number): number => {
    let total = short;
    if (short === 15)
      for (;;) {
        const more = block.readUInt8(at++);
        total += more;
        if (more < 255) break;
      }
    return total;
  };
  while (at < block.length) {
    const token = block.readUInt8(at++);
    const literals = length(token >> 4);
    for (let n = 0; n < literals; n++) out.push(block.readUInt8(at++));
    if (at >= block.length) break;
    const offset = block.readUInt16LE(at);
    at += 2;
    const copied = length(token & 15) + 4;
    for (let n = 0; n < copied; n++) out.push(out.at(-offset) ?? 0);
  }
  if (out.length !== size) throw new Error("PostBodyUncompressError");
  return Buffer.from(out);
}
