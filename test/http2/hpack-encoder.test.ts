import assert from "node:assert/strict";
import { describe, expect, test } from "vitest";
import { HpackDecoder } from "../../src/http2/hpack-decoder.ts";
import { HpackEncoder } from "../../src/http2/hpack-encoder.ts";
import { ReferenceDecoder } from "./reference-hpack.ts";

/** Encodes, and decodes by the reference: how each field stands in the block, and in how many bytes. */
class Pair {
  readonly encoder: HpackEncoder;
  readonly reference = new ReferenceDecoder(4096);

  constructor(neverIndexed?: readonly string[]) {
    this.encoder = new HpackEncoder(
      neverIndexed === undefined ? undefined : { neverIndexed: new Set(neverIndexed) },
    );
  }

  send(...fields: readonly string[]): { as: string; bytes: number } {
    const block = this.encode(fields);
    const decoded = this.reference.decode(block);
    assert.deepEqual(
      decoded.flatMap(({ name, value }) => [name, value]),
      fields,
    );
    assert.equal(this.encoder.tableSize, this.reference.tableSize);
    return { as: decoded.map((field) => field.as).join(" "), bytes: block.length };
  }

  /** Checks `bound` too, and that nothing is written beside the block. */
  encode(fields: readonly string[]): Buffer {
    const bound = this.encoder.bound(fields);
    const out = Buffer.alloc(bound + 20, 0xee);
    const end = this.encoder.encode(fields, out, 10);
    assert.ok(end <= 10 + bound);
    const block = Buffer.from(out.subarray(10, end));
    assert.deepEqual(out.subarray(0, 10), Buffer.alloc(10, 0xee));
    return block;
  }
}

const parent = (count: number): string => `00-0af7651916cd43dd8448eb211c80319c-${count}b7ad6b-01`;

describe("what is put into the table", () => {
  test("what is constant is one byte from the third time on, and mostly from the second", () => {
    const pair = new Pair();
    const fields = [
      ...[":method", "POST", ":scheme", "http", ":path", "/a.b.C/D", ":authority", "a:1"],
      ...["content-type", "application/grpc", "te", "trailers", "x-own", "1"],
    ];
    expect(pair.send(...fields).as).toBe(
      "indexed indexed without without without incremental incremental",
    );
    expect(pair.send(...fields).as).toBe(
      "indexed indexed incremental incremental incremental indexed indexed",
    );
    expect(pair.send(...fields)).toEqual({ as: Array(7).fill("indexed").join(" "), bytes: 7 });
  });

  test("what differs each time costs three bytes beside its own, and pushes nothing out", () => {
    const pair = new Pair();
    pair.send("x-own", "1", "traceparent", parent(0));
    const { tableSize } = pair.encoder;
    for (let count = 1; count < 300; count++) {
      const { as, bytes } = pair.send("x-own", "1", "traceparent", parent(count));
      expect(as).toBe("indexed without");
      expect(bytes).toBe(1 + 2 + 1 + parent(count).length);
    }
    expect(pair.encoder.tableSize).toBe(tableSize);
  });

  test("several values of a name stand in the table beside each other", () => {
    const pair = new Pair();
    for (const value of ["1", "2", "2", "3", "3"]) pair.send("x-own", value);
    for (const value of ["1", "2", "3", "2", "1"])
      expect(pair.send("x-own", value).as).toBe("indexed");
    expect(pair.send("x-own", "1", "x-own", "4", "x-own", "4", "x-own", "4").as).toBe(
      "indexed without incremental indexed",
    );
  });

  test("a name that left the table is put there again", () => {
    const pair = new Pair();
    pair.send("x-own", "1");
    for (let index = 0; index < 100; index++) pair.send(`x-${index}`, "0123456789");
    expect(pair.send("x-own", "2").as).toBe("incremental");
    expect(pair.send("x-own", "1").as).toBe("without");
  });

  test("what would push half of the table out is not", () => {
    const pair = new Pair();
    const long = "x".repeat(2100);
    for (let round = 0; round < 3; round++) expect(pair.send("x-own", long).as).toBe("without");
    const longer = "x".repeat(70_000);
    for (let round = 0; round < 3; round++) expect(pair.send("x-own", longer).as).toBe("without");
    expect(pair.encoder.tableSize).toBe(0);
  });

  test("many names, long ones among them, are no more than the table holds", () => {
    const pair = new Pair();
    for (let index = 0; index < 1000; index++) {
      pair.send(`x-${"n".repeat(index % 300)}-${index}`, "v");
      pair.send(`x-${index}`, "v", `x-${index}`, "v");
    }
    expect(pair.encoder.tableSize).toBeLessThanOrEqual(4096);
  });

  test("never what is sensitive", () => {
    const pair = new Pair(["authorization", "x-secret"]);
    for (let round = 0; round < 3; round++)
      expect(pair.send("authorization", "", "x-secret", "a").as).toBe("never never");
    expect(pair.encoder.tableSize).toBe(0);
  });
});

test("octets above ASCII and inner blanks are carried as they are", () => {
  const pair = new Pair();
  for (const as of ["incremental incremental", "indexed indexed"])
    expect(pair.send("x-own", "é \t ÿ\u0001", "x-empty", "").as).toBe(as);
});

describe("the peer's table size", () => {
  const block = (pair: Pair, ...fields: string[]): string => pair.encode(fields).toString("hex");

  test("0: nothing is put there", () => {
    const pair = new Pair();
    pair.encoder.setPeerTableSize(0);
    expect(block(pair, ":method", "GET")).toBe("2082");
    for (let round = 0; round < 3; round++) expect(pair.send("x-own", "1").as).toBe("without");
    expect(block(pair, ":method", "GET")).toBe("82");
  });

  test("smaller: an update, and the oldest entries go", () => {
    const pair = new Pair();
    pair.send("x-a", "1", "x-b", "1");
    pair.encoder.setPeerTableSize(71);
    expect(pair.encoder.tableSize).toBe(36);
    expect(pair.send("x-b", "1")).toEqual({ as: "indexed", bytes: 3 });
    expect(pair.reference.maxSize).toBe(71);
    expect(pair.send("x-a", "1")).toMatchObject({ as: "without" });
  });

  test("smaller and larger again: the smallest and the last one", () => {
    const pair = new Pair();
    pair.send("x-a", "1");
    for (const size of [100, 0, 50, 200]) pair.encoder.setPeerTableSize(size);
    expect(block(pair, ":method", "GET")).toBe("203fa90182");
    expect(block(pair, ":method", "GET")).toBe("82");
    pair.encoder.setPeerTableSize(2 ** 31);
    expect(block(pair, ":method", "GET")).toBe("3fe11f82");
    pair.encoder.setPeerTableSize(65_536);
    expect(block(pair, ":method", "GET")).toBe("82");
  });

  test("away and back within one turn: both are told", () => {
    const pair = new Pair();
    pair.send("x-a", "1");
    pair.encoder.setPeerTableSize(0);
    pair.encoder.setPeerTableSize(4096);
    expect(block(pair, ":method", "GET")).toBe("203fe11f82");
  });

  test("an update that is due outlives a call that throws", () => {
    const pair = new Pair();
    pair.encoder.setPeerTableSize(0);
    expect(() => pair.encode(["x-a", "\n"])).toThrow(TypeError);
    expect(block(pair, ":method", "GET")).toBe("2082");
  });
});

test.for([
  ["an upper-case name", "X-Own", "1"],
  ["an empty name", "", "1"],
  ["a blank in a name", "x own", "1"],
  ["a colon in a name", "x:own", "1"],
  ["a name beyond ASCII", "é", "1"],
  ["a connection header", "connection", "close"],
  ["a connection header", "keep-alive", "5"],
  ["a connection header", "proxy-connection", "close"],
  ["a connection header", "transfer-encoding", "chunked"],
  ["a connection header", "upgrade", "h2c"],
  ["te but trailers", "te", "gzip"],
  ["CR", "x-own", "a\rb"],
  ["LF", "x-own", "a\nb"],
  ["NUL", "x-own", "a\0b"],
  ["a blank in front", "x-own", " a"],
  ["a blank behind", "x-own", "a "],
  ["a tab in front", "x-own", "\ta"],
  ["a tab behind", "x-own", "a\t"],
  ["nothing but a blank", "x-own", " "],
  ["a character beyond U+00FF", "x-own", "a€"],
  ["LF in a sensitive value", "x-secret", "a\nb"],
  ["a path with a blank", ":path", "/a b"],
  ["a path of another form", ":path", "a"],
  ["a status that is none", ":status", "0"],
] as const)("%s is refused, and nothing is sent or put into the table", ([, name, value]) => {
  const pair = new Pair(["x-secret"]);
  const fine = ["x-first", "1", "x-second", "2"];
  expect(() => pair.encode([...fine, name, value])).toThrow(TypeError);
  expect(() => pair.encode([name, value])).toThrow(TypeError);
  expect(pair.encoder.tableSize).toBe(0);
  expect(pair.send(...fine).as).toBe("incremental incremental");
  // Also where the name is known, and the value is the one that was sent before it.
  for (let round = 0; round < 3; round++)
    expect(() => pair.encode(["x-own", "1", name, value])).toThrow(TypeError);
  expect(pair.send(...fine).as).toBe("indexed indexed");
});

test("both of ours understand each other, names and values being what they were", () => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder({ maxTableSize: 4096, maxListSize: 16_384 });
  const out = Buffer.alloc(4096);
  for (let index = 0; index < 200; index++) {
    const fields = [":status", "200", "x-own", String(index % 7), "grpc-status", "0", "x-b", "é"];
    const end = encoder.encode(fields, out, 0);
    expect(decoder.decode(out, 0, end).raw).toEqual(fields);
    expect(decoder.tableSize).toBe(encoder.tableSize);
  }
});
