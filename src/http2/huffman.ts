import { HpackError } from "./hpack-error.ts";

/**
 * The Huffman code of RFC 7541 Appendix B. The code is canonical: the lengths of the codes say everything.
 * One base-36 digit for each symbol, its length less five; the last one is EOS.
 */
const lengths =
  "8innnnnnnjpnnpnnnnnnnnpnnnnnnnnn1557813655363111000111111123a175" +
  "8122222222222222222222223238e891a01010111022111012100122222a698n" +
  "fhffhhhihiiiiijijjhijiiiighihiijhgfhhiigihhjghiigghgihiifhhhihhi" +
  "llfehihklllmmljkeglmmlmjggllnmmmfjfghggihhkkjjlilmllmmmmmnmmmmml" +
  "p";

const eos = 256;
const mostBits = 30;
const peekBits = 8;
const pairBits = 12;

const badEnd = "a Huffman string is cut off or badly padded";

type Codes = {
  /** Of each symbol. */
  readonly code: Uint32Array;
  readonly length: Uint8Array;
  /** Symbols in the order of their codes. */
  readonly symbols: Uint16Array;
  /** Of each length: where its symbols begin, less its first code; and the code after its last one. */
  readonly offset: Int32Array;
  readonly limit: Uint32Array;
  /** By the next eight bits: symbol × 16 + length where a code of at most eight bits stands there, else 0. */
  readonly peek: Uint16Array;
  /**
   * By the next twelve bits: the first one or two symbols, a byte each, their bits in the third byte and their count in the fourth;
   * 0 where no short code stands there.
   */
  readonly pairs: Uint32Array;
};

let made: Codes | undefined;

function codes(): Codes {
  return (made ??= makeCodes());
}

function makeCodes(): Codes {
  const code = new Uint32Array(eos + 1);
  const length = new Uint8Array(eos + 1);
  const symbols = new Uint16Array(eos + 1);
  const offset = new Int32Array(mostBits + 1);
  const limit = new Uint32Array(mostBits + 1);
  const peek = new Uint16Array(1 << peekBits);
  for (let symbol = 0; symbol <= eos; symbol++)
    length[symbol] = Number.parseInt(lengths.charAt(symbol), 36) + 5;
  let next = 0;
  let place = 0;
  for (let bits = 5; bits <= mostBits; bits++) {
    next *= 2;
    offset[bits] = place - next;
    for (let symbol = 0; symbol <= eos; symbol++) {
      if (length[symbol] !== bits) continue;
      if (bits <= peekBits) {
        const unused = peekBits - bits;
        peek.fill((symbol << 4) | bits, next << unused, (next + 1) << unused);
      }
      code[symbol] = next++;
      symbols[place++] = symbol;
    }
    limit[bits] = next;
  }
  return { code, length, symbols, offset, limit, peek, pairs: makePairs(peek) };
}

function makePairs(peek: Uint16Array): Uint32Array {
  const pairs = new Uint32Array(1 << pairBits);
  for (let word = 0; word < pairs.length; word++) {
    const first = peek[word >>> (pairBits - peekBits)] as number;
    if (first === 0) continue;
    const rest = pairBits - (first & 15);
    const second = peek[((word << (first & 15)) & 0xfff) >>> (pairBits - peekBits)] as number;
    pairs[word] =
      second === 0 || (second & 15) > rest
        ? (1 << 24) | ((first & 15) << 16) | (first >>> 4)
        : (2 << 24) |
          (((first & 15) + (second & 15)) << 16) |
          ((second >>> 4) << 8) |
          (first >>> 4);
  }
  return pairs;
}

/** The most bytes that so many coded bytes decode to. */
export function huffmanDecodedBound(length: number): number {
  return ((length * 8) / 5) | 0;
}

/**
 * Decodes `bytes` from `start` to `end` to the begin of `out`, and answers how many bytes it wrote; their complement (`~`) if NUL, LF or CR is
 * among them, whose codes are long, so that nobody has to look for them in what is short. Throws HpackError for EOS, for a code that is
 * cut off, and for padding that is longer than seven bits or not of ones (RFC 7541 5.2).
 */
export function decodeHuffman(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
): number {
  const { symbols, offset, limit, peek, pairs } = codes();
  let at = 0;
  let position = start;
  /** The last `held` bits of it are not used yet. */
  let word = 0;
  let held = 0;
  let isForbidden = false;
  for (;;) {
    while (held <= 24 && position < end) {
      word = (word << 8) | (bytes[position++] as number);
      held += 8;
    }
    while (held >= pairBits) {
      const entry = pairs[(word >>> (held - pairBits)) & 0xfff] as number;
      if (entry === 0) break;
      out[at] = entry;
      out[at + 1] = entry >>> 8;
      at += entry >>> 24;
      held -= (entry >>> 16) & 0xff;
    }
    if (position < end && held < pairBits) continue;
    while (held >= peekBits) {
      const entry = peek[(word >>> (held - peekBits)) & 0xff] as number;
      if (entry === 0) break;
      out[at++] = entry >>> 4;
      held -= entry & 15;
    }
    if (held < peekBits) {
      // The last byte: up to one short code and the padding.
      for (;;) {
        const padded = ((word << (peekBits - held)) | (0xff >>> held)) & 0xff;
        const entry = peek[padded] as number;
        if (entry === 0 || (entry & 15) > held) {
          if (padded !== 0xff) throw new HpackError(badEnd);
          return isForbidden ? ~at : at;
        }
        out[at++] = entry >>> 4;
        held -= entry & 15;
      }
    }
    // A longer code, bit by bit: text of headers seldom has one.
    let code = (word >>> (held - peekBits)) & 0xff;
    held -= peekBits;
    let bits = peekBits;
    do {
      if (held === 0) {
        if (position === end) throw new HpackError(badEnd);
        word = bytes[position++] as number;
        held = 8;
      }
      held--;
      code = (code << 1) | ((word >>> held) & 1);
      bits++;
    } while (code >= (limit[bits] as number));
    const symbol = symbols[code + (offset[bits] as number)] as number;
    if (symbol === eos) throw new HpackError("a Huffman string has the symbol EOS in it");
    if (symbol === 0 || symbol === 10 || symbol === 13) isForbidden = true;
    out[at++] = symbol;
  }
}

/** How many bytes the text is in Huffman's code. Only characters up to U+00FF. */
export function huffmanLength(text: string): number {
  const { length } = codes();
  let bits = 0;
  for (let index = 0; index < text.length; index++)
    bits += length[text.charCodeAt(index)] as number;
  return (bits + 7) >>> 3;
}

/** Writes the text in Huffman's code and answers the end. Only characters up to U+00FF. */
export function encodeHuffman(text: string, out: Uint8Array, at: number): number {
  const { code, length } = codes();
  /** The last `held` bits of it, at most seven between symbols, are not written yet. */
  let word = 0;
  let held = 0;
  let position = at;
  for (let index = 0; index < text.length; index++) {
    const symbol = text.charCodeAt(index);
    let rest = length[symbol] as number;
    const bits = code[symbol] as number;
    // 24 bits and the held ones fit the word; the longest code does not.
    if (rest > 24) {
      word = (word << (rest - 16)) | (bits >>> 16);
      held += rest - 16;
      rest = 16;
      while (held >= 8) out[position++] = word >>> (held -= 8);
    }
    word = (word << rest) | (bits & ((1 << rest) - 1));
    held += rest;
    while (held >= 8) out[position++] = word >>> (held -= 8);
  }
  if (held > 0) out[position++] = (word << (8 - held)) | (0xff >>> held);
  return position;
}
