import { encodeHuffman, huffmanLength } from "../../../src/http2/huffman.ts";

/** One piece of a header block, by its bits of RFC 7541 6. */
export type Piece =
  | { readonly as: "number"; readonly pattern: number; readonly prefix: number; value: number }
  | { readonly as: "text"; readonly text: string; readonly isHuffman: boolean }
  | { readonly as: "bytes"; readonly bytes: Uint8Array };

/** The bytes of a piece. */
export function written(piece: Piece): Uint8Array {
  if (piece.as === "bytes") return piece.bytes;
  if (piece.as === "number") return integer(piece.pattern, piece.prefix, piece.value);
  if (!piece.isHuffman) {
    const bytes = Buffer.from(piece.text, "latin1");
    return Buffer.concat([integer(0, 7, bytes.length), bytes]);
  }
  const bytes = Buffer.alloc(huffmanLength(piece.text));
  encodeHuffman(piece.text, bytes, 0);
  return Buffer.concat([integer(0x80, 7, bytes.length), bytes]);
}

function integer(pattern: number, prefix: number, value: number): Buffer {
  const full = 2 ** prefix - 1;
  if (value < full) return Buffer.from([pattern | value]);
  const bytes = [pattern | full];
  let rest = value - full;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return Buffer.from([...bytes, rest]);
}
