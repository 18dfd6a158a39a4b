import { describe, expect, test } from "vitest";
import { FieldKind } from "../../src/http2/header-field.ts";
import { HpackDecoder } from "../../src/http2/hpack-decoder.ts";
import { HpackError } from "../../src/http2/hpack-error.ts";
import { staticTable } from "../../src/http2/hpack-table.ts";

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(" ", ""), "hex");
}

/** A string literal without Huffman's code. */
function plain(text: string): string {
  return Buffer.from([text.length, ...Buffer.from(text, "latin1")]).toString("hex");
}

function create(maxTableSize = 4096, maxListSize = 16_384): HpackDecoder {
  return new HpackDecoder({ maxTableSize, maxListSize });
}

/** Decodes a block that stands within other bytes, as blocks do. */
function decode(decoder: HpackDecoder, block: string): ReturnType<HpackDecoder["decode"]> {
  const bytes = Buffer.concat([Buffer.alloc(9, 0x82), hex(block), Buffer.alloc(3, 0x82)]);
  return decoder.decode(bytes, 9, bytes.length - 3);
}

function pairs(text: string): string[] {
  return text.split("|");
}

const requests = [
  { fields: ":method|GET|:scheme|http|:path|/|:authority|www.example.com", size: 57 },
  {
    fields: ":method|GET|:scheme|http|:path|/|:authority|www.example.com|cache-control|no-cache",
    size: 110,
  },
  {
    fields:
      ":method|GET|:scheme|https|:path|/index.html|:authority|www.example.com|custom-key|custom-value",
    size: 164,
  },
];
const date = "Mon, 21 Oct 2013 20:13:21 GMT";
const later = "Mon, 21 Oct 2013 20:13:22 GMT";
const location = "https://www.example.com";
const cookie = "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
const responses = [
  {
    fields: `:status|302|cache-control|private|date|${date}|location|${location}`,
    size: 222,
  },
  {
    fields: `:status|307|cache-control|private|date|${date}|location|${location}`,
    size: 222,
  },
  {
    fields: `:status|200|cache-control|private|date|${later}|location|${location}|content-encoding|gzip|set-cookie|${cookie}`,
    size: 215,
  },
];

describe("RFC 7541 Appendix C", () => {
  test.for([
    [
      "C.2.1",
      `40 ${plain("custom-key")} ${plain("custom-header")}`,
      "custom-key|custom-header",
      55,
    ],
    ["C.2.2", `04 ${plain("/sample/path")}`, ":path|/sample/path", 0],
    ["C.2.3", `10 ${plain("password")} ${plain("secret")}`, "password|secret", 0],
    ["C.2.4", "82", ":method|GET", 0],
  ] as const)("%s", ([, block, fields, size]) => {
    const decoder = create();
    expect(decode(decoder, block).raw).toEqual(pairs(fields));
    expect(decoder.tableSize).toBe(size);
  });

  test.for([
    [
      "C.3, requests",
      4096,
      requests,
      [
        `828684 41 ${plain("www.example.com")}`,
        `828684be 58 ${plain("no-cache")}`,
        `828785bf 40 ${plain("custom-key")} ${plain("custom-value")}`,
      ],
    ],
    [
      "C.4, requests in Huffman's code",
      4096,
      requests,
      [
        "828684 41 8c f1e3c2e5f23a6ba0ab90f4ff",
        "828684be 58 86 a8eb10649cbf",
        "828785bf 40 88 25a849e95ba97d7f 89 25a849e95bb8e8b4bf",
      ],
    ],
    [
      "C.5, responses with evictions",
      256,
      responses,
      [
        `48 ${plain("302")} 58 ${plain("private")} 61 ${plain(date)} 6e ${plain(location)}`,
        `48 ${plain("307")} c1c0bf`,
        `88c1 61 ${plain(later)} c0 5a ${plain("gzip")} 77 ${plain(cookie)}`,
      ],
    ],
    [
      "C.6, responses in Huffman's code with evictions",
      256,
      responses,
      [
        "48 82 6402 58 85 aec3771a4b 61 96 d07abe941054d444a8200595040b8166e082a62d1bff 6e 91 9d29ad171863c78f0b97c8e9ae82ae43d3",
        "48 83 640eff c1c0bf",
        "88c1 61 96 d07abe941054d444a8200595040b8166e084a62d1bff c0 5a 83 9bd9ab 77 ad 94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
      ],
    ],
  ] as const)("%s", ([, maxTableSize, expected, blocks]) => {
    const decoder = create(maxTableSize);
    for (const [index, block] of blocks.entries()) {
      expect(decode(decoder, block).raw).toEqual(pairs(expected[index]?.fields ?? ""));
      expect(decoder.tableSize).toBe(expected[index]?.size);
    }
  });
});

test("the static table has 61 entries, and an empty value is malformed where the name must have one", () => {
  expect(staticTable).toHaveLength(61);
  expect(staticTable[0]).toEqual({
    name: ":authority",
    value: "",
    size: 42,
    kind: FieldKind.malformed,
  });
  expect(staticTable[15]).toMatchObject({ name: "accept-encoding", value: "gzip, deflate" });
  expect(staticTable[60]).toMatchObject({ name: "www-authenticate", value: "" });
});

test("an indexed field is the table's own object", () => {
  const decoder = create();
  const first = decode(decoder, `40 ${plain("custom-key")} ${plain("a")}`);
  const second = decode(decoder, "be8282");
  expect(second.fields[0]).toBe(first.fields[0]);
  expect(second.fields[1]).toBe(second.fields[2]);
});

test("an integer may have as many octets as 31 bits need", () => {
  const decoder = create();
  const text = "x".repeat(300);
  const block = `04 7f ad818000 ${Buffer.from(text).toString("hex")}`;
  expect(decode(decoder, block).raw).toEqual([":path", text]);
});

test.for([
  ["index 0", "80"],
  ["an index beyond the static table", "be"],
  ["an index beyond both tables", "ff ff7f"],
  ["a name of an index that is not there", `7e ${plain("x")}`],
  ["a name of an index far beyond", `7f ffffffff07 ${plain("x")}`],
  ["an integer of six octets", "ff 8080808080 01"],
  ["an integer of many octets", `ff ${"80".repeat(40)} 00`],
  ["an integer above 31 bits", "ff ffffffff08"],
  ["an integer that is cut off", "ff 80"],
  ["an integer that is not there", "ff"],
  ["a literal without a name", "40"],
  ["a literal without a value", `40 ${plain("a")}`],
  ["a name that is cut off", "40 0361 62"],
  ["a value that is cut off", `40 ${plain("a")} 0361 62`],
  ["a value of 2 GiB", "04 7f80ffffff07 61"],
  ["a Huffman string that is badly padded", "04 81 00"],
  ["a Huffman string with EOS", "04 84 ffffffff"],
  ["a size update behind a field", "82 20"],
  ["a size update behind a literal", `40 ${plain("a")} ${plain("b")} 20`],
  ["a size update above the limit", "3fe2 1f"],
  ["a second size update above the limit", "20 3fe2 1f"],
  ["a size update far above the limit", "3f ffffffff07"],
] as const)("%s is an error", ([, block]) => {
  expect(() => decode(create(), block)).toThrow(HpackError);
});

describe("size updates", () => {
  const entry = `40 ${plain("a")} ${plain("b")}`;

  test("shrink, empty and grow the table", () => {
    const decoder = create();
    decode(decoder, entry.repeat(3));
    expect(decoder.tableSize).toBe(3 * 34);
    // To 67 bytes: one entry; then back to 4096.
    expect(decode(decoder, "3f24 3fe11f be").raw).toEqual(["a", "b"]);
    expect(decoder.tableSize).toBe(34);
    expect(() => decode(decoder, "bf")).toThrow(HpackError);
    decode(decoder, "20");
    expect(decoder.tableSize).toBe(0);
    decode(decoder, entry);
    expect(decoder.tableSize).toBe(0);
  });

  test("an entry larger than the table empties it, and is a field all the same", () => {
    const decoder = create(64);
    decode(decoder, entry);
    const long = "x".repeat(40);
    expect(decode(decoder, `7e ${plain(long)}`).raw).toEqual(["a", long]);
    expect(decoder.tableSize).toBe(0);
    expect(() => decode(decoder, "be")).toThrow(HpackError);
  });

  test("one must come, first, after the peer has acknowledged a smaller table", () => {
    const decoder = create();
    decode(decoder, entry);
    decoder.setMaxTableSize(100);
    expect(() => decode(decoder, "82")).toThrow(HpackError);

    const another = create();
    decode(another, entry);
    another.setMaxTableSize(100);
    expect(() => decode(another, "3f46 82")).toThrow(HpackError);
    decode(another, "3f45 82");
    decode(another, "82");
    another.setMaxTableSize(4096);
    decode(another, "82");
    decode(another, "3fe11f 82");
  });

  test("one is due too for an empty block, and where the table was made larger again meanwhile", () => {
    const decoder = create();
    decoder.setMaxTableSize(0);
    decoder.setMaxTableSize(4096);
    expect(() => decode(decoder, "")).toThrow(HpackError);
    const another = create();
    another.setMaxTableSize(100);
    another.setMaxTableSize(4096);
    expect(() => decode(another, "3fe11f")).toThrow(HpackError);
    const third = create();
    third.setMaxTableSize(100);
    third.setMaxTableSize(4096);
    expect(decode(third, "20 3fe11f 82").raw).toEqual([":method", "GET"]);
  });
});

describe("a list that is too large", () => {
  test("leaves the fields beyond out, and keeps the table as it must be", () => {
    const decoder = create(4096, 100);
    const block = decode(
      decoder,
      `82 40 ${plain("a")} ${plain("x".repeat(40))} 40 ${plain("b")} ${plain("c")} 82`,
    );
    expect(block.isTooLarge).toBe(true);
    expect(block.raw).toEqual([":method", "GET"]);
    expect(block.size).toBe(42);
    const next = decode(decoder, "be");
    expect(next.raw).toEqual(["b", "c"]);
    expect(next.isTooLarge).toBe(false);
    expect(decoder.tableSize).toBe(73 + 34);
  });

  test("may be as large as allowed", () => {
    const block = decode(create(4096, 84), "8282");
    expect(block).toMatchObject({ isTooLarge: false, size: 84 });
  });

  test("of a thousand references to one large entry costs nothing", () => {
    const decoder = create();
    decode(decoder, `40 ${plain("a")} 7f811e ${"78".repeat(3968)}`);
    const bomb = decode(decoder, "be".repeat(16_000));
    expect(bomb.isTooLarge).toBe(true);
    expect(bomb.fields).toHaveLength(4);
  });

  test("still fails where a string beyond it is wrong", () => {
    expect(() => decode(create(4096, 10), "04 81 00")).toThrow(HpackError);
  });
});

test("names that are not known, of any length, are decoded", () => {
  const long = `x-${"long".repeat(40)}`;
  const block = `00 ${plain("x-new")} ${plain("1")} 00 7f23 ${Buffer.from(long).toString("hex")} 00`;
  const decoder = create();
  for (let round = 0; round < 2; round++)
    expect(decode(decoder, block).raw).toEqual(["x-new", "1", long, ""]);
  for (let index = 0; index < 2000; index++)
    expect(decode(decoder, `00 ${plain(`x-${index}`)} 00`).get(`x-${index}`)).toBe("");
});

test.for([
  ["a name that was malformed for its value only", "user-agent", " a", "b", FieldKind.regular],
  ["a name that is malformed", "User-Agent", "a", "b", FieldKind.malformed],
  ["a pseudo-header", ":path", "a b", "/", FieldKind.path],
] as const)("%s, taken from the table", ([, name, before, value, kind]) => {
  const decoder = create();
  const block = decode(
    decoder,
    `40 ${plain(name)} ${plain(before)} 7e ${plain(value)} 7e ${plain("a\n")}`,
  );
  expect(block.fields.map((field) => field.kind)).toEqual([
    FieldKind.malformed,
    kind,
    FieldKind.malformed,
  ]);
});
