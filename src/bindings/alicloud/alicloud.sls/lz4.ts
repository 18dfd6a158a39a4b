/**
 * Unpacks one block of LZ4, as its format's description has it: literals, then a copy of what came before, by turns.
 * Throws for a block that is none, or that does not have that size.
 */
export function unpackLz4(block: Uint8Array, size: number): Uint8Array {
  const unpacked = new Uint8Array(size);
  let from = 0;
  let to = 0;
  const lengthOf = (first: number): number => {
    if (first < 15) return first;
    let length = first;
    for (let more = 255; more === 255; length += more) {
      if (from >= block.length) throw broken();
      more = block[from++] ?? 0;
    }
    return length;
  };
  while (from < block.length) {
    const token = block[from++] ?? 0;
    const literals = lengthOf(token >> 4);
    if (from + literals > block.length || to + literals > size) throw broken();
    unpacked.set(block.subarray(from, from + literals), to);
    from += literals;
    to += literals;
    if (from === block.length) break;
    const offset = (block[from] ?? 0) | ((block[from + 1] ?? 0) << 8);
    from += 2;
    const length = lengthOf(token & 15) + 4;
    if (from > block.length || offset === 0 || offset > to || to + length > size) throw broken();
    if (offset >= length) unpacked.copyWithin(to, to - offset, to - offset + length);
    // What is copied may be what this copy has just written.
    else for (let n = 0; n < length; n++) unpacked[to + n] = unpacked[to + n - offset] ?? 0;
    to += length;
  }
  if (to !== size) throw broken();
  return unpacked;
}

function broken(): Error {
  return new Error("the compressed answer is no block of LZ4 of its size");
}
