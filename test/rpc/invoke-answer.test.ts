import { create, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { InvokeBindingResponseSchema } from "../../gen/dapr/proto/runtime/v1/dapr_pb.ts";
import { encodeInvokeAnswer } from "../../src/rpc/invoke-answer.ts";

type Answer = Parameters<typeof encodeInvokeAnswer>[0];

function byLibrary(answer: Answer): Buffer {
  const bytes = toBinary(
    InvokeBindingResponseSchema,
    create(InvokeBindingResponseSchema, structuredClone(answer)),
  );
  return Buffer.from(bytes);
}

const texts = ["", "a", "ü€😀", "\ud800", "x".repeat(127), "y".repeat(128), "é".repeat(9000)];

test.each<[string, Answer]>([
  ["nothing", {}],
  ["no bytes", { data: new Uint8Array(0) }],
  ["no metadata", { data: Buffer.from("x"), metadata: {} }],
  ...[1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152].map((length): [string, Answer] => [
    `${length} bytes`,
    { data: Buffer.alloc(length, 7) },
  ]),
  ...texts.map((text): [string, Answer] => [
    `metadata of ${Buffer.byteLength(text)} bytes`,
    { data: Buffer.from("x"), metadata: { [text]: "value", key: text } },
  ]),
])("is encoded as by the library: %s", (_, answer) => {
  expect(Buffer.from(encodeInvokeAnswer(answer)).equals(byLibrary(answer))).toBe(true);
});

test("and whatever it is", () => {
  let seed = 11;
  const random = (below: number): number => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % below;
  };
  for (let round = 0; round < 1000; round++) {
    const metadata = Object.fromEntries(
      Array.from({ length: random(5) }, () => [
        (texts[random(texts.length)] ?? "") + String(random(1000)),
        texts[random(texts.length)] ?? "",
      ]),
    );
    const answer: Answer = { metadata };
    if (random(3) > 0) answer.data = Buffer.alloc(random(300), random(256));
    expect(Buffer.from(encodeInvokeAnswer(answer)).equals(byLibrary(answer))).toBe(true);
  }
});
