import * as fc from "fast-check";
import assert from "node:assert/strict";
import { HpackDecoder } from "../../../src/http2/hpack-decoder.ts";
import { HpackEncoder } from "../../../src/http2/hpack-encoder.ts";
import { HpackError } from "../../../src/http2/hpack-error.ts";
import { ReferenceDecoder, type ReferenceField } from "../../http2/reference-hpack.ts";
import { written, type Piece } from "../http2/pieces.ts";
import { mutate, mutations, type Mutation } from "../mutation.ts";
import type { Target } from "../target.ts";

type Input = {
  /** What a peer wrote, block after block. */
  readonly blocks: readonly {
    readonly pieces: readonly (readonly Piece[])[];
    readonly changes: readonly Mutation[];
  }[];
  readonly maxTableSize: number;
  readonly maxListSize: number;
  /** What we send. */
  readonly lists: readonly {
    /** The peer's table sizes that came before it. */
    readonly tableSizes: readonly number[];
    readonly fields: readonly (readonly [name: string, value: string])[];
  }[];
};

const octets = fc
  .array(
    fc.oneof(
      { weight: 8, arbitrary: fc.integer({ min: 0x20, max: 0x7e }) },
      { weight: 1, arbitrary: fc.nat(0xff) },
    ),
    { maxLength: 70 },
  )
  .map((codes) => String.fromCharCode(...codes));

const fewNames = fc.constantFrom(
  ...[
    "x-own",
    "x-b",
    ":path",
    ":status",
    "grpc-timeout",
    "traceparent",
    "te",
    "cookie",
    "a",
    "date",
  ],
);
const name = fc.oneof({ weight: 4, arbitrary: fewNames }, octets);
const value = fc.oneof(fc.constantFrom("", "0", "trailers", "/", "200", "x".repeat(200)), octets);
/** Mostly one that is there. */
const index = fc.oneof(
  { weight: 60, arbitrary: fc.integer({ min: 1, max: 61 }) },
  { weight: 4, arbitrary: fc.integer({ min: 62, max: 64 }) },
  { weight: 1, arbitrary: fc.nat(200) },
);

/** Mostly such as may be sent, and often the same ones. */
const sent = fc.oneof(
  {
    weight: 40,
    arbitrary: fc.tuple(
      fc.constantFrom("x-own", "x-b", "grpc-timeout", "traceparent", "cookie", "a", "date"),
      fc.oneof(
        fc.constantFrom("", "0", "1", "x".repeat(200), "x".repeat(1500), "x".repeat(2500)),
        octets.map((text) => `x${text.replaceAll(/[\r\n\0]/g, "")}x`),
      ),
    ),
  },
  {
    weight: 20,
    arbitrary: fc.tuple(
      fc.nat(150).map((number) => `x-${number}`),
      fc.constantFrom("", "0", "1"),
    ),
  },
  {
    weight: 20,
    arbitrary: fc.constantFrom([":path", "/"], [":path", "/a.B/C"], [":status", "200"]),
  },
  { weight: 1, arbitrary: fc.tuple(name, value) },
);

function number(pattern: number, prefix: number, of: fc.Arbitrary<number>): fc.Arbitrary<Piece> {
  return of.map((value) => ({ as: "number", pattern, prefix, value }));
}

function text(of: fc.Arbitrary<string>): fc.Arbitrary<Piece> {
  return fc.record({ as: fc.constant("text" as const), text: of, isHuffman: fc.boolean() });
}

const literals = fc
  .constantFrom<[pattern: number, prefix: number][]>([0x40, 6], [0x40, 6], [0, 4], [0x10, 4])
  .chain(([pattern, prefix]) =>
    fc.oneof(
      fc.tuple(number(pattern, prefix, fc.constant(0)), text(name), text(value)),
      fc.tuple(number(pattern, prefix, index), text(value)),
    ),
  );
const update = fc.tuple(number(0x20, 5, fc.oneof(fc.nat(100), fc.nat(400), fc.constant(4096))));
const field = fc.oneof(
  { weight: 40, arbitrary: literals },
  { weight: 40, arbitrary: fc.tuple(number(0x80, 7, index)) },
  {
    weight: 1,
    arbitrary: fc.tuple(
      fc.record({ as: fc.constant("bytes" as const), bytes: fc.uint8Array({ maxLength: 12 }) }),
    ),
  },
);

const block = fc.record({
  pieces: fc
    .tuple(
      fc.oneof({ weight: 9, arbitrary: fc.constant([]) }, fc.array(update, { maxLength: 2 })),
      fc.array(field, { maxLength: 10 }),
    )
    .map(([updates, fields]) => [...updates, ...fields]),
  changes: fc.oneof({ weight: 9, arbitrary: fc.constant([]) }, mutations),
});

/** Sizes of tables, mostly such as something happens at. */
const tableSize = fc.oneof(fc.constantFrom(0, 4096, 65_536), fc.nat(300), fc.nat(2 ** 31));

export const hpack: Target<Input> = {
  name: "hpack",
  input: fc.record({
    blocks: fc.array(block, { maxLength: 6 }),
    maxTableSize: fc.oneof(
      { weight: 4, arbitrary: fc.constant(4096) },
      { weight: 1, arbitrary: fc.nat(400) },
    ),
    maxListSize: fc.oneof(fc.constant(1_000_000), fc.nat(1000)),
    lists: fc.array(
      fc.record({
        tableSizes: fc.oneof(
          { weight: 3, arbitrary: fc.constant([]) },
          fc.array(tableSize, { maxLength: 3 }),
        ),
        fields: fc.array(sent, { maxLength: 12 }),
      }),
      { maxLength: 8 },
    ),
  }),
  async start() {
    return {
      async check(input) {
        checkDecoder(input);
        checkEncoder(input);
      },
      async [Symbol.asyncDispose]() {},
    };
  },
};

/** Both decoders find the same fields and errors in what somebody sends. */
function checkDecoder({ blocks, maxTableSize, maxListSize }: Input): void {
  const decoder = new HpackDecoder({ maxTableSize, maxListSize });
  const reference = new ReferenceDecoder(maxTableSize);
  for (const { pieces, changes } of blocks) {
    const bytes = mutate(Buffer.concat(pieces.flat().map(written)), changes);
    let expected: ReferenceField[] | undefined;
    try {
      expected = reference.decode(bytes);
    } catch {
      assert.throws(() => decoder.decode(bytes, 0, bytes.length), HpackError);
      return;
    }
    const { fields, size, isTooLarge, raw } = decoder.decode(bytes, 0, bytes.length);
    assert.equal(decoder.tableSize, reference.tableSize);
    assert.equal(isTooLarge, fields.length < expected.length);
    assert.ok(size <= maxListSize);
    const held = expected.slice(0, fields.length);
    assert.equal(size, sizeOf(held));
    assert.deepEqual(raw, namesAndValues(held));
    if (isTooLarge) assert.ok(sizeOf(expected.slice(0, fields.length + 1)) > maxListSize);
  }
}

/** What we send is what both decoders read, whatever table sizes the peer asks for. */
function checkEncoder({ lists }: Input): void {
  const neverIndexed = new Set(["x-b"]);
  const encoder = new HpackEncoder({ neverIndexed });
  const decoder = new HpackDecoder({ maxTableSize: 4096, maxListSize: 1_000_000 });
  const reference = new ReferenceDecoder(4096);
  for (const { tableSizes, fields } of lists) {
    for (const size of tableSizes) {
      encoder.setPeerTableSize(size);
      decoder.setMaxTableSize(Math.min(size, 4096));
    }
    const list = fields.flat();
    const out = Buffer.alloc(encoder.bound(list) + 1, 0xee);
    const before = encoder.tableSize;
    let end: number;
    try {
      end = encoder.encode(list, out, 0);
    } catch (error) {
      assert.ok(error instanceof TypeError);
      assert.equal(encoder.tableSize, before);
      continue;
    }
    assert.ok(end < out.length);
    const read = reference.decode(out.subarray(0, end));
    assert.deepEqual(namesAndValues(read), list);
    for (const { name, as } of read) assert.equal(as === "never", neverIndexed.has(name));
    assert.deepEqual(decoder.decode(out, 0, end).raw, list);
    assert.equal(encoder.tableSize, reference.tableSize);
    assert.equal(decoder.tableSize, reference.tableSize);
  }
}

function namesAndValues(fields: readonly ReferenceField[]): string[] {
  return fields.flatMap(({ name, value }) => [name, value]);
}

function sizeOf(fields: readonly ReferenceField[]): number {
  return fields.reduce((sum, { name, value }) => sum + name.length + value.length + 32, 0);
}
