import * as fc from "fast-check";

/** One change of a byte string. Places are shares of its length, so that they mean something for each. */
export type Mutation = {
  readonly kind: "set" | "insert" | "delete" | "repeat" | "cut" | "swap";
  /** 0 to 9,999: a share of the length. */
  readonly at: number;
  readonly length: number;
  readonly bytes: Uint8Array;
};

/** What parsers have stumbled over before. */
const snippets = [
  ...["\0", "\r\n", "\n\n", "\t", " ", "\u2028", "\ufeff", "\ud83d\ude00", "é", "\x7f", "\x1b[2J"],
  ...["{", "}", "[", "]", '"', "'", "\\", ":", ",", "-", "#", "&a", "*a", "<<: ", "!!binary ", "%"],
  ...[
    "---\n",
    "...\n",
    "|",
    ">-",
    "? ",
    "null",
    "true",
    "~",
    "0x1F",
    "1e999",
    "-0",
    ".inf",
    ".nan",
  ],
  ...["__proto__", "constructor", "toString", "99999999999999999999", "-1", "1000000h", "{uuid}"],
  ...["\\ud800", "\\u0000", "%00", "%2F", "%", "..", "//", "?", "Transfer-Encoding: chunked\r\n"],
  ...["Content-Length: 5\r\n", "Expect: 100-continue\r\n", "Upgrade: h2c\r\n", "\r\n\r\n"],
].map((text) => Buffer.from(text));
const numbers = [
  [0xff],
  [0xff, 0xff, 0xff, 0xff],
  [0x7f, 0xff, 0xff, 0xff],
  [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
  [0x80],
  [0xc0, 0x80],
  [0xed, 0xa0, 0x80],
  [0x1f, 0x8b, 0x08],
  [0, 0, 0, 0, 0],
  [1, 0, 0, 0, 2],
].map((bytes) => Buffer.from(bytes));

export const someBytes: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.constantFrom(...snippets, ...numbers),
  fc.uint8Array({ maxLength: 8 }),
);

const unit = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0x20, max: 0x7e }) },
  { weight: 1, arbitrary: fc.nat(0xff) },
  // Halves of pairs among them.
  { weight: 1, arbitrary: fc.nat(0xffff) },
);

/** A text of any UTF-16 units, well-formed or not. */
export function anyText(maxLength: number): fc.Arbitrary<string> {
  return fc.array(unit, { maxLength }).map((units) => String.fromCharCode(...units));
}

/** A text of visible ASCII and blanks. */
export function plainText(maxLength: number): fc.Arbitrary<string> {
  const deadLetter = fc.integer({ min: 0x20, max: 0x7e });
  return fc.array(deadLetter, { maxLength }).map((units) => String.fromCharCode(...units));
}

const mutation: fc.Arbitrary<Mutation> = fc.record({
  kind: fc.constantFrom("set", "insert", "delete", "repeat", "cut", "swap"),
  at: fc.nat(9999),
  length: fc.oneof(fc.nat(8), fc.nat(400)),
  bytes: someBytes,
});

/** Mostly few changes, since what is broken in many places is refused at the first. */
export const mutations: fc.Arbitrary<Mutation[]> = fc.oneof(
  { weight: 5, arbitrary: fc.array(mutation, { maxLength: 2 }) },
  { weight: 1, arbitrary: fc.array(mutation, { maxLength: 12 }) },
);

/** The bytes after all changes; at most a megabyte of them. */
export function mutate(bytes: Uint8Array, changes: readonly Mutation[]): Buffer {
  let result = Buffer.from(bytes);
  for (const { kind, at, length, bytes: given } of changes) {
    const start = Math.floor((result.length * at) / 10_000);
    const head = result.subarray(0, start);
    const part = result.subarray(start, start + length);
    const rest = result.subarray(start + length);
    if (kind === "set")
      result = Buffer.concat([head, given, result.subarray(start + given.length)]);
    else if (kind === "insert") result = Buffer.concat([head, given, result.subarray(start)]);
    else if (kind === "delete") result = Buffer.concat([head, rest]);
    else if (kind === "repeat")
      result = Buffer.concat([
        head,
        ...Array.from({ length: 1 + (length % 50) }, () => part),
        rest,
      ]);
    else if (kind === "cut") result = Buffer.from(head);
    else result = Buffer.concat([rest, part, head]);
    if (result.length > 1 << 20) result = result.subarray(0, 1 << 20);
  }
  return result;
}

/** Texts, and bytes as HTTP/1.1 has them, that a header may have. */
export const headerValue: fc.Arbitrary<string> = fc.oneof(
  plainText(40),
  someBytes.map((bytes) =>
    Buffer.from(bytes)
      .toString("latin1")
      .replaceAll(/[\r\n\0]/g, "x"),
  ),
);
