import { messageOf } from "../../../errors.ts";
import { assuredBytes, type MemoryShare } from "../../../memory/budget.ts";
import type { LocalRoot } from "../../../local-files/local-root.ts";
import { decodedParts, encodedParts } from "../../../text/base64-parts.ts";
import type { Bucket, Put } from "./bucket.ts";
import { inWordsOfDapr, invalid } from "./failures.ts";
import { decoded, isObject } from "./payload.ts";
import { upload } from "./upload.ts";

const usualConcurrency = 10;
/** S3's own limit. */
const mostDeleted = 1000;

type Result = { key: string; data?: string; location?: string; error?: string };

export type BulkCall = {
  readonly bucket: Bucket;
  readonly files: LocalRoot;
  readonly memory: MemoryShare;
  readonly data: Uint8Array | undefined;
  /** Whether content is base64 on the caller's side. */
  readonly isBase64: boolean;
  readonly signal: AbortSignal;
};

/** Reads several objects; each result says what became of its own. */
export async function bulkGet(call: BulkCall): Promise<Buffer> {
  const { bucket, files, isBase64, signal } = call;
  const { items, concurrency } = itemsOf("bulkGet", call.data);
  const room = call.memory.open(assuredBytes);
  try {
    return await answer(items, concurrency, async (item) => {
      const { key, filePath } = item;
      if (filePath !== undefined) {
        const { body } = await inWordsOfDapr(
          "error downloading S3 object",
          bucket.stream(key, signal, undefined),
        );
        await files.create("filePath", filePath, isBase64 ? encodedParts(body) : body);
        return { key };
      }
      const body = await inWordsOfDapr("error downloading S3 object", bucket.get(key, signal));
      // As text, and once more in the answer.
      if (!room.reserve(3 * body.length))
        throw new Error("the memory budget has no room for it; name a filePath, or use get");
      const data = body.toString(isBase64 ? "base64" : "utf8");
      return data === "" ? { key } : { key, data };
    });
  } finally {
    room.release();
  }
}

/** Stores several objects, from the call or from files. */
export async function bulkCreate(call: BulkCall, put: Put): Promise<Buffer> {
  const { bucket, files, isBase64, signal } = call;
  const { items, concurrency } = itemsOf("bulkCreate", call.data);
  return answer(items, concurrency, async ({ key, data, contentType, filePath }) => {
    const options = { ...put, contentType };
    if (filePath !== undefined) {
      const parts = files.parts("filePath", filePath);
      const content = isBase64 ? decodedParts(parts) : parts;
      const { location } = await upload(bucket, key, content, options, signal);
      return { key, location };
    }
    if (data === undefined) throw new Error("either data or filePath is required");
    const bytes = Buffer.from(data);
    const { location } = await bucket.put(key, isBase64 ? decoded(bytes) : bytes, options, signal);
    return { key, location };
  });
}

/** Deletes several objects, in requests of 1,000. */
export async function bulkDelete({
  bucket,
  data,
  signal,
}: Pick<BulkCall, "bucket" | "data" | "signal">): Promise<Buffer> {
  const { keys } = parse("bulkDelete", data);
  if (!Array.isArray(keys) || keys.length === 0)
    throw invalid("bulkDelete requires at least one key");
  if (!keys.every((key) => typeof key === "string"))
    throw invalid("invalid bulkDelete payload: keys are strings");
  const errors = new Map<string, string>();
  const wanted = [...new Set(keys)].filter((key) => key.trim() !== "");
  for (let at = 0; at < wanted.length; at += mostDeleted) {
    const batch = wanted.slice(at, at + mostDeleted);
    try {
      for (const [key, error] of await bucket.deleteAll(batch, signal)) errors.set(key, error);
    } catch (error) {
      for (const key of batch) errors.set(key, messageOf(error));
    }
  }
  const results = keys.map((key): Result => {
    const error = key.trim() === "" ? "key is required" : errors.get(key);
    return error === undefined ? { key } : { key, error };
  });
  return Buffer.from(JSON.stringify(results));
}

type Item = {
  readonly key: string;
  readonly data: string | undefined;
  readonly contentType: string | undefined;
  readonly filePath: string | undefined;
};

function itemsOf(
  operation: string,
  data: Uint8Array | undefined,
): { items: readonly Item[]; concurrency: number } {
  const { items, concurrency = usualConcurrency } = parse(operation, data);
  if (!Array.isArray(items) || items.length === 0)
    throw invalid(`${operation} requires at least one item`);
  if (typeof concurrency !== "number" || !Number.isInteger(concurrency))
    throw invalid(`invalid ${operation} payload: concurrency is no integer`);
  if (concurrency <= 0) throw invalid(`concurrency must be greater than 0, got ${concurrency}`);
  return { items: items.map((item) => itemOf(operation, item)), concurrency };
}

function itemOf(operation: string, item: unknown): Item {
  if (!isObject(item)) throw invalid(`invalid ${operation} payload: an item is no object`);
  const text = (name: string): string | undefined => {
    const value = item[name] ?? undefined;
    if (value === undefined || typeof value === "string") return value;
    throw invalid(`invalid ${operation} payload: ${name} is no string`);
  };
  return {
    key: text("key") ?? "",
    data: text("data"),
    contentType: text("contentType"),
    filePath: text("filePath"),
  };
}

function parse(operation: string, data: Uint8Array | undefined): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(data ?? []).toString("utf8"));
  } catch (error) {
    throw invalid(`invalid ${operation} payload: ${messageOf(error)}`);
  }
  if (!isObject(value)) throw invalid(`invalid ${operation} payload: it is no JSON object`);
  return value;
}

/** What became of each, in the order of the call, some at a time. */
async function answer(
  items: readonly Item[],
  concurrency: number,
  work: (item: Item) => Promise<Result>,
): Promise<Buffer> {
  const results: Result[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (;;) {
      const index = next++;
      const item = items[index];
      if (item === undefined) return;
      const { key } = item;
      results[index] =
        key === ""
          ? { key, error: "key is required" }
          : await work(item).catch((error: unknown) => ({ key, error: messageOf(error) }));
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, worker));
  return Buffer.from(JSON.stringify(results));
}
