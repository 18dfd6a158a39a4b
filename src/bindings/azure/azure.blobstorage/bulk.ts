import { join } from "node:path";
import { BindingError, messageOf } from "../../../errors.ts";
import type { LocalRoot } from "../../../local-files/local-root.ts";
import type { MemoryShare } from "../../../memory/budget.ts";
import { textAt } from "../../../text/xml.ts";
import type { Container } from "./container.ts";
import { goJson, readJson } from "./json.ts";
import { decodeBase64, decoded, upload } from "./upload.ts";

export type BulkCall = {
  readonly container: Container;
  readonly local: LocalRoot;
  readonly memory: MemoryShare;
  readonly data: Uint8Array | undefined;
  readonly signal: AbortSignal;
};

type Bulk = { readonly data: Uint8Array; readonly metadata: Record<string, string> };
type Item = Readonly<Record<string, unknown>>;

const defaultConcurrency = 10;
/** More requests at one time wait for a connection anyway. */
const mostAtOnce = 128;

/** Reads blobs, into files or into the answer. */
export async function bulkGet(call: BulkCall): Promise<Bulk> {
  const { container, local, memory, signal } = call;
  const payload = payloadOf(call.data, "bulkGet");
  const concurrency = concurrencyOf(payload);
  const items = itemsOf(payload, "bulkGet").flatMap((item) => {
    const blobName = textOf(item, "blobName");
    return blobName === "" ? [] : [{ blobName, filePath: textOf(item, "filePath") }];
  });
  const prefix = textOf(payload, "prefix");
  if (prefix !== "") {
    const folder = textOf(payload, "destinationDir");
    if (folder === "") throw wrong("destinationDir is required when using prefix");
    const known = new Set(items.map(({ blobName }) => blobName));
    // Beneath the folder, whatever the blob is called: an absolute name would begin at localRoot.
    for (const blobName of await namesBelow(container, prefix, signal))
      if (!known.has(blobName)) items.push({ blobName, filePath: within(folder, blobName) });
  }
  if (items.length === 0) throw wrong("at least one of items or prefix is required");
  // A call that may name no file is refused whole, before anything is read.
  for (const { filePath } of items) if (filePath !== "") await local.locate("filePath", filePath);
  const room = memory.open();
  try {
    const results = await inParallel(items, concurrency, async ({ blobName, filePath }) => {
      if (filePath !== "") {
        const { body } = await container.stream(blobName, signal);
        await local.create("filePath", filePath, body);
        return { blobName, filePath };
      }
      const { body } = await container.get(blobName, signal);
      if (!room.reserve(body.length * 2))
        throw new BindingError("resource_exhausted", "the memory budget has no room for the blob");
      return { blobName, ...(body.length === 0 ? {} : { data: body.toString("base64") }) };
    });
    return answerOf(results);
  } finally {
    room.release();
  }
}

/** Stores blobs, of files or of the call. */
export async function bulkCreate(call: BulkCall & { readonly decodes: boolean }): Promise<Bulk> {
  const { container, local, decodes, signal } = call;
  const payload = payloadOf(call.data, "bulkCreate");
  const items = itemsOf(payload, "bulkCreate").map((item) => ({
    blobName: textOf(item, "blobName"),
    sourcePath: textOf(item, "sourcePath"),
    contentType: textOf(item, "contentType"),
    data: item["data"] === undefined || item["data"] === null ? undefined : textOf(item, "data"),
  }));
  if (items.length === 0) throw wrong("items array must not be empty");
  for (const [index, { blobName, sourcePath, data }] of items.entries()) {
    if (blobName === "") throw wrong(`item at index ${index} is missing blobName`);
    if (sourcePath === "" && data === undefined)
      throw wrong(`item at index ${index} is missing both data and sourcePath`);
  }
  const concurrency = concurrencyOf(payload);
  for (const { sourcePath, data } of items)
    if (data === undefined) await local.locate("sourcePath", sourcePath);
  const results = await inParallel(items, concurrency, async (item) => {
    const { blobName, sourcePath, contentType, data } = item;
    const headers: Record<string, string> =
      contentType === "" ? {} : { "x-ms-blob-content-type": contentType };
    if (data === undefined) {
      const parts = local.parts("sourcePath", sourcePath);
      const body = decodes ? decoded(parts) : parts;
      await upload(container, blobName, body, { headers, md5: undefined }, signal);
    } else {
      const body = decodes ? decodeBase64(data) : Buffer.from(data);
      await container.put("error uploading blob", blobName, body, headers, signal);
    }
    return { blobName, blobURL: container.urlOf(blobName) };
  });
  return answerOf(results);
}

/** Deletes blobs, by name and by prefix. */
export async function bulkDelete(call: BulkCall): Promise<Bulk> {
  const { container, signal } = call;
  const payload = payloadOf(call.data, "bulkDelete");
  const snapshots = textOf(payload, "deleteSnapshots");
  if (snapshots !== "") checkSnapshots(snapshots);
  const concurrency = concurrencyOf(payload);
  const given = payload["blobNames"] ?? [];
  if (!Array.isArray(given) || given.some((name) => typeof name !== "string"))
    throw wrong("error parsing bulkDelete payload: blobNames must be an array of texts");
  const names = new Set((given as string[]).filter((name) => name !== ""));
  const prefix = textOf(payload, "prefix");
  if (prefix !== "")
    for (const name of await namesBelow(container, prefix, signal)) names.add(name);
  if (names.size === 0) throw wrong("at least one of prefix or blobNames is required");
  const results = await inParallel(
    [...names].map((blobName) => ({ blobName })),
    concurrency,
    async ({ blobName }) => {
      await container.delete(blobName, snapshots, signal);
      return { blobName };
    },
  );
  return answerOf(results);
}

/** Throws a `BindingError` in Dapr's words. */
export function checkSnapshots(option: string): void {
  if (option === "include" || option === "only") return;
  throw wrong(`invalid delete snapshot option type: ${option}; allowed: [include only]`);
}

async function namesBelow(
  container: Container,
  prefix: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const names: string[] = [];
  let marker: string | undefined;
  do {
    const page = await container.list({ prefix, marker }, signal);
    for (const blob of page.blobs) names.push(textAt(blob, "Name") ?? "");
    marker = page.next;
  } while (marker !== "");
  return names.filter((name) => name !== "");
}

/** A path in the folder: `..` of a blob's name goes no further up than that. */
function within(folder: string, name: string): string {
  return join(folder, join("/", name));
}

/** Runs all, so many at a time. What fails is a text of its own result. */
async function inParallel<One extends { readonly blobName: string }>(
  items: readonly One[],
  concurrency: number,
  run: (item: One) => Promise<object>,
): Promise<object[]> {
  const results: object[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) {
      const item = items[index] as One;
      results[index] = await run(item).catch((error: unknown) => ({
        blobName: item.blobName,
        error: messageOf(error),
      }));
    }
  };
  const workers = Math.min(concurrency, mostAtOnce, items.length);
  await Promise.all(Array.from({ length: workers }, work));
  return results;
}

function answerOf(results: readonly object[]): Bulk {
  return { data: goJson(results), metadata: { number: String(results.length) } };
}

function payloadOf(data: Uint8Array | undefined, operation: string): Item {
  return data === undefined ? {} : readJson(data, `error parsing ${operation} payload: `);
}

function itemsOf(payload: Item, operation: string): readonly Item[] {
  const items = payload["items"] ?? [];
  const isList = Array.isArray(items) && items.every((one) => typeof one === "object" && one);
  if (!isList) throw wrong(`error parsing ${operation} payload: items must be an array of objects`);
  return items as readonly Item[];
}

function textOf(item: Item, name: string): string {
  const value = item[name] ?? "";
  if (typeof value === "string") return value;
  throw wrong(`the payload's ${name} must be a text`);
}

function concurrencyOf(payload: Item): number {
  const value = payload["concurrency"] ?? defaultConcurrency;
  if (!Number.isInteger(value)) throw wrong("concurrency must be an integer");
  if ((value as number) <= 0) throw wrong("concurrency must be greater than 0");
  return value as number;
}

function wrong(message: string): BindingError {
  return new BindingError("invalid_argument", message);
}
