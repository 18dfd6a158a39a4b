/**
 * RFC 7541's decoder as the text says it, bit by bit, with no regard for speed: what the real one is compared with. It shares
 * nothing with it, not even the code's table.
 */

/** Appendix B: the symbols of each length of code, in the order of their codes. Ranges stand as pairs. */
const symbolsByLength: readonly (readonly [length: number, symbols: readonly number[]])[] = [
  [5, [48, 49, 50, 97, 99, 101, 105, 111, 115, 116]],
  [
    6,
    [
      ...[32, 37, 45, 46, 47, 51, 52, 53, 54, 55, 56, 57, 61, 65, 95, 98, 100, 102, 103, 104, 108],
      ...[109, 110, 112, 114, 117],
    ],
  ],
  [7, [58, ...range(66, 87), 89, 106, 107, 113, 118, 119, 120, 121, 122]],
  [8, [38, 42, 44, 59, 88, 90]],
  [10, [33, 34, 40, 41, 63]],
  [11, [39, 43, 124]],
  [12, [35, 62]],
  [13, [0, 36, 64, 91, 93, 126]],
  [14, [94, 125]],
  [15, [60, 96, 123]],
  [19, [92, 195, 208]],
  [20, [128, 130, 131, 162, 184, 194, 224, 226]],
  [21, [153, 161, 167, 172, 176, 177, 179, 209, 216, 217, 227, 229, 230]],
  [
    22,
    [
      ...[129, 132, 133, 134, 136, 146, 154, 156, 160, 163, 164, 169, 170, 173, 178, 181, 185, 186],
      ...[187, 189, 190, 196, 198, 228, 232, 233],
    ],
  ],
  [
    23,
    [
      ...[1, 135, 137, 138, 139, 140, 141, 143, 147, 149, 150, 151, 152, 155, 157, 158, 165, 166],
      ...[168, 174, 175, 180, 182, 183, 188, 191, 197, 231, 239],
    ],
  ],
  [24, [9, 142, 144, 145, 148, 159, 171, 206, 215, 225, 236, 237]],
  [25, [199, 207, 234, 235]],
  [26, [192, 193, 200, 201, 202, 205, 210, 213, 218, 219, 238, 240, 242, 243, 255]],
  [27, [203, 204, 211, 212, 214, 221, 222, 223, 241, ...range(244, 248), ...range(250, 254)]],
  [28, [...range(2, 8), 11, 12, ...range(14, 21), ...range(23, 31), 127, 220, 249]],
  [30, [10, 13, 22, 256]],
];

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

/** Codes as texts of 0 and 1, each one more than the one before, with zeros behind it where it is longer. */
const symbols = new Map<string, number>();
let code = 0n;
let before = 5;
for (const [length, list] of symbolsByLength) {
  code <<= BigInt(length - before);
  before = length;
  for (const symbol of list) symbols.set((code++).toString(2).padStart(length, "0"), symbol);
}

/** Appendix A. */
const fixed: readonly (readonly [name: string, value: string])[] = [
  [":authority", ""],
  [":method", "GET"],
  [":method", "POST"],
  [":path", "/"],
  [":path", "/index.html"],
  [":scheme", "http"],
  [":scheme", "https"],
  ...[200, 204, 206, 304, 400, 404, 500].map((status) => [":status", String(status)] as const),
  ["accept-charset", ""],
  ["accept-encoding", "gzip, deflate"],
  ...[
    ...["accept-language", "accept-ranges", "accept", "access-control-allow-origin", "age"],
    ...["allow", "authorization", "cache-control", "content-disposition", "content-encoding"],
    ...["content-language", "content-length", "content-location", "content-range", "content-type"],
    ...["cookie", "date", "etag", "expect", "expires", "from", "host", "if-match"],
    ...["if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "last-modified"],
    ...["link", "location", "max-forwards", "proxy-authenticate", "proxy-authorization", "range"],
    ...["referer", "refresh", "retry-after", "server", "set-cookie", "strict-transport-security"],
    ...["transfer-encoding", "user-agent", "vary", "via", "www-authenticate"],
  ].map((name) => [name, ""] as const),
];

/** How a field stood in a block. */
export type Representation = "indexed" | "incremental" | "without" | "never";

export type ReferenceField = {
  readonly name: string;
  readonly value: string;
  readonly as: Representation;
};

export class ReferenceDecoder {
  /** The youngest first. */
  #table: (readonly [name: string, value: string])[] = [];
  #maxSize: number;
  readonly #limit: number;
  #bytes: Uint8Array = new Uint8Array();
  #at = 0;

  constructor(limit: number) {
    this.#limit = limit;
    this.#maxSize = limit;
  }

  get tableSize(): number {
    return this.#table.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
  }

  get maxSize(): number {
    return this.#maxSize;
  }

  /** Throws an Error for what RFC 7541 forbids. */
  decode(bytes: Uint8Array): ReferenceField[] {
    this.#bytes = bytes;
    this.#at = 0;
    const fields: ReferenceField[] = [];
    while (this.#at < bytes.length) {
      const bits = this.#byte(this.#at).toString(2).padStart(8, "0");
      if (bits.startsWith("1")) {
        const [name, value] = this.#entry(this.#integer(7));
        fields.push({ name, value, as: "indexed" });
      } else if (bits.startsWith("01")) {
        const [name, value] = this.#literal(6);
        fields.push({ name, value, as: "incremental" });
        this.#table.unshift([name, value]);
        this.#evict();
      } else if (bits.startsWith("001")) {
        if (fields.length > 0) throw new Error("a size update behind a field");
        this.#maxSize = this.#integer(5);
        if (this.#maxSize > this.#limit) throw new Error("a size update above the limit");
        this.#evict();
      } else {
        const [name, value] = this.#literal(4);
        fields.push({ name, value, as: bits.startsWith("0001") ? "never" : "without" });
      }
    }
    return fields;
  }

  #evict(): void {
    while (this.tableSize > this.#maxSize) this.#table.pop();
  }

  #byte(at: number): number {
    const byte = this.#bytes[at];
    if (byte === undefined) throw new Error("the block ends too early");
    return byte;
  }

  #entry(index: number): readonly [string, string] {
    const entry = [undefined, ...fixed, ...this.#table][index];
    if (entry === undefined) throw new Error(`no entry ${index}`);
    return entry;
  }

  #integer(prefix: number): number {
    const full = 2 ** prefix - 1;
    let value = this.#byte(this.#at++) % 2 ** prefix;
    if (value < full) return value;
    for (let power = 0; power < 5; power++) {
      const byte = this.#byte(this.#at++);
      value += (byte % 128) * 128 ** power;
      if (value >= 2 ** 31) break;
      if (byte < 128) return value;
    }
    throw new Error("the integer is too large");
  }

  #literal(prefix: number): readonly [string, string] {
    const index = this.#integer(prefix);
    const name = index === 0 ? this.#string() : this.#entry(index)[0];
    return [name, this.#string()];
  }

  #string(): string {
    const isHuffman = this.#byte(this.#at) >= 128;
    const length = this.#integer(7);
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new Error("the block ends within a string");
    const part = this.#bytes.slice(this.#at, end);
    this.#at = end;
    return isHuffman ? huffman(part) : String.fromCharCode(...part);
  }
}

function huffman(bytes: Uint8Array): string {
  let text = "";
  let seen = "";
  for (const bit of Array.from(bytes, (byte) => byte.toString(2).padStart(8, "0")).join("")) {
    seen += bit;
    const symbol = symbols.get(seen);
    if (symbol === undefined) continue;
    if (symbol === 256) throw new Error("EOS within a string");
    text += String.fromCharCode(symbol);
    seen = "";
  }
  if (seen.length > 7 || seen.includes("0")) throw new Error("the padding is wrong");
  return text;
}
