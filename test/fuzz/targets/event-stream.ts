import * as fc from "fast-check";
import { isDeepStrictEqual } from "node:util";
import { EventParser } from "../../../src/bindings/sse/event-parser.ts";
import { blocksOf, comparable, cut } from "../../bindings/sse/reference-parser.ts";
import { mutate, mutations, someBytes, type Mutation } from "../mutation.ts";
import type { Target } from "../target.ts";

type Input = {
  readonly pieces: readonly Uint8Array[];
  readonly changes: readonly Mutation[];
  readonly cuts: readonly number[];
};

const piece = fc.oneof(
  fc
    .constantFrom(
      ...["\n", "\r", "\r\n", "\n\n", "\r\r", "\r\n\r\n", "\ufeff", ":", ": c\n", "data", "data\n"],
      ...[
        "data:",
        "data: ",
        "data:  x\n",
        "event: a\n",
        "event\n",
        "id: 1\n",
        "id\n",
        "id: a\0b\n",
      ],
      ...["retry: 10\n", "retry: 1x\n", "retry:\n", "datax: y\n", " data: z\n", "data:é€😀\r"],
    )
    .map((text) => Buffer.from(text)),
  someBytes,
);

/** Event streams whose parts end anywhere: each is read as if it came in one. */
export const eventStream: Target<Input> = {
  name: "event stream",
  input: fc.record({
    pieces: fc.array(piece, { maxLength: 30 }),
    changes: fc.oneof(fc.constant([]), mutations),
    cuts: fc.array(fc.nat(9999), { maxLength: 12 }),
  }),
  async start() {
    return {
      async check({ pieces, changes, cuts }) {
        const bytes = mutate(Buffer.concat(pieces), changes);
        const parser = new EventParser();
        const blocks = cut(bytes, cuts).flatMap((part) => parser.push(part));
        if (!isDeepStrictEqual(comparable(blocks), blocksOf(bytes)))
          throw new Error("the blocks are other ones than those of the whole stream");
        if (parser.held > bytes.length) throw new Error("more is held than came");
      },
      async [Symbol.asyncDispose]() {},
    };
  },
};
