import type { Answer } from "../../binding.ts";
import { BindingError } from "../../errors.ts";

/** The largest answer that is kept for a repeated call, in bytes, metadata included. */
export const mostStored = 1024 * 1024;

/** What was kept of an answer: the answer, or how large one was that is not kept. */
export type StoredAnswer = { readonly answer: Answer | undefined } | { readonly tooLarge: number };

const withData = 1;
const withMetadata = 2;
const withoutAnswer = 4;
/** The form and the length of the metadata. */
const prefix = 5;

/** An answer as the store keeps it; `undefined` is "no response". */
export function encodeAnswer(answer: Answer | undefined): Uint8Array | undefined {
  if (answer === undefined) return undefined;
  const { data, metadata } = answer;
  const names = metadata === undefined ? "" : JSON.stringify(metadata);
  const size = prefix + Buffer.byteLength(names) + (data?.length ?? 0);
  if (size > mostStored) return Buffer.from([withoutAnswer, ...Buffer.from(String(size))]);
  const head = Buffer.alloc(prefix);
  head[0] = (data === undefined ? 0 : withData) | (metadata === undefined ? 0 : withMetadata);
  head.writeUInt32BE(Buffer.byteLength(names), 1);
  return Buffer.concat([head, Buffer.from(names), data ?? Buffer.alloc(0)], size);
}

/** The reverse of {@link encodeAnswer}. Throws a `BindingError` for what another version has kept. */
export function decodeAnswer(stored: Uint8Array | undefined): StoredAnswer {
  if (stored === undefined) return { answer: undefined };
  const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.length);
  const form = bytes[0] ?? withoutAnswer;
  if (form === withoutAnswer) return { tooLarge: Number(bytes.toString("latin1", 1)) };
  const names = bytes.length < prefix ? Number.NaN : prefix + bytes.readUInt32BE(1);
  if (form > (withData | withMetadata) || !(names <= bytes.length)) {
    throw new BindingError(
      "data_loss",
      "the first call with this idempotency-key was done, and its answer is kept in a form that this version cannot read",
    );
  }
  const answer: Answer = {};
  if ((form & withData) !== 0) answer.data = bytes.subarray(names);
  if ((form & withMetadata) !== 0)
    answer.metadata = readMetadata(bytes.toString("utf8", prefix, names));
  return { answer };
}

function readMetadata(text: string): Record<string, string> {
  const parsed: unknown = JSON.parse(text);
  const entries = typeof parsed === "object" && parsed !== null ? Object.entries(parsed) : [];
  return Object.fromEntries(entries.map(([name, value]) => [name, String(value)]));
}
