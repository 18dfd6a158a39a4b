import { expect, test } from "vitest";
import { HpackError } from "../../src/http2/hpack-error.ts";
import {
  decodeHuffman,
  encodeHuffman,
  huffmanDecodedBound,
  huffmanLength,
} from "../../src/http2/huffman.ts";

function encode(text: string): Buffer {
  const out = Buffer.alloc(huffmanLength(text));
  expect(encodeHuffman(text, out, 0)).toBe(out.length);
  return out;
}

/** The text, and whether there was a CR, LF or NUL in it. */
function decode(bytes: Buffer): [text: string, isForbidden: boolean] {
  const out = Buffer.alloc(huffmanDecodedBound(bytes.length));
  const length = decodeHuffman(bytes, 0, bytes.length, out);
  const text = out.toString("latin1", 0, length < 0 ? ~length : length);
  return [text, length < 0];
}

function bits(text: string): Buffer {
  const padded = text.replaceAll(" ", "");
  expect(padded.length % 8).toBe(0);
  return Buffer.from(
    Array.from({ length: padded.length / 8 }, (_, index) =>
      Number.parseInt(padded.slice(index * 8, index * 8 + 8), 2),
    ),
  );
}

const octets = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code));

test("each octet is what it was, alone, in front of, between and behind others", () => {
  for (const octet of octets) {
    const isForbidden = ["\0", "\n", "\r"].includes(octet);
    for (const text of [octet, `${octet}a`, `0${octet}`, `Xy${octet}z`, octet.repeat(9)])
      expect(decode(encode(text))).toEqual([text, isForbidden]);
  }
  const all = octets.join("");
  expect(decode(encode(all))).toEqual([all, true]);
  expect(decode(Buffer.alloc(0))).toEqual(["", false]);
});

test.for([
  // Code and symbol as RFC 7541 Appendix B has them, one of each length.
  ["00000 111", "0"],
  ["010100 11", " "],
  ["1011100 1", ":"],
  ["11111000", "&"],
  ["11111110 00 111111", "!"],
  ["11111111 010 11111", "'"],
  ["11111111 1010 1111", "#"],
  ["11111111 11000 111", "\0"],
  ["11111111 111100 11", "^"],
  ["11111111 1111100 1", "<"],
  ["11111111 11111110 000 11111", "\\"],
  ["11111111 11111110 0110 1111", "\u0080"],
  ["11111111 11111110 11100 111", "\u0099"],
  ["11111111 11111111 010010 11", "\u0081"],
  ["11111111 11111111 1011000 1", "\u0001"],
  ["11111111 11111111 11101010", "\t"],
  ["11111111 11111111 11110110 0 1111111", "\u00c7"],
  ["11111111 11111111 11111000 00 111111", "\u00c0"],
  ["11111111 11111111 11111011 110 11111", "\u00cb"],
  ["11111111 11111111 11111110 0010 1111", "\u0002"],
  ["11111111 11111111 11111111 111100 11", "\n"],
] as const)("%s is %j", ([code, text]) => {
  expect(decode(bits(code))[0]).toBe(text);
  expect(encode(text)).toEqual(bits(code));
});

test.for([
  ["EOS", "11111111 11111111 11111111 11111111"],
  ["EOS behind text", "00000 111111111111111111111111111111 11111"],
  ["padding of eight bits", "11111000 11111111"],
  ["padding with a zero", "00000 110"],
  ["padding of zeros", "010100 00"],
  ["a long code that is cut off", "11111111 11111110"],
  ["a short code that is cut off", "00000 101"],
  ["a code of ten bits that is cut off", "11111110"],
] as const)("%s is an error", ([, code]) => {
  expect(() => decode(bits(code))).toThrow(HpackError);
});
