// Stores a blob and reads it again, each in parts, and prints by how much the memory of this process grew over what it
// had before: `node --expose-gc large-file-process.ts PROPERTIES BYTES`.
import blobStorage from "../../../../src/bindings/azure/azure.blobstorage/index.ts";
import { loadDriver } from "../../../../src/drivers.ts";
import { MemoryBudget } from "../../../../src/memory/budget.ts";
import { parseFields } from "../../../../src/metadata/parse.ts";

const [properties = "{}", bytes = "0"] = process.argv.slice(2);
const { values } = parseFields(
  blobStorage.metadata,
  JSON.parse(properties) as Record<string, string>,
);
const ignore = (): void => {};
const connection = await blobStorage.open({
  component: { name: "files", appId: "test" },
  metadata: values,
  directions: { input: false, output: true },
  logger: { debug: ignore, info: ignore, warn: ignore, error: ignore },
  signal: AbortSignal.timeout(20_000),
  http: { listen: () => Promise.reject(new Error("an output serves nothing")) },
  memory: new MemoryBudget().share("test"),
  driver: (name) => loadDriver(name, "1.0.0", undefined),
  lost: ignore,
  notice: ignore,
});
const none = {
  ...{ signTTL: undefined, contentType: undefined, contentMD5: undefined },
  ...{ contentEncoding: undefined, contentLanguage: undefined, contentDisposition: undefined },
  ...{ cacheControl: undefined, includeMetadata: undefined, filePath: undefined },
};
const call = (operation: string, fileName: string) => ({
  operation,
  request: { ...none, blobName: fileName },
  properties: { blobName: fileName },
  metadata: values,
  signal: new AbortController().signal,
});

/** The same part each time: what the sender throws away is not to be measured. */
const part = Buffer.alloc(256 * 1024, "content");

async function* content(size: number): AsyncGenerator<Uint8Array> {
  for (let sent = 0; sent < size; sent += part.length) {
    if (sent % sampleEach === 0) sample();
    yield part;
  }
}

const sampleEach = 4 * 1024 * 1024;
let most = 0;

/** What the process has in memory, without what nobody uses any more. */
function sample(): void {
  globalThis.gc?.();
  most = Math.max(most, process.memoryUsage.rss());
}

/** The most that the process had during the work beyond what it had before, in bytes. */
async function growthOf(work: () => Promise<void>): Promise<number> {
  most = 0;
  sample();
  const before = most;
  await work();
  sample();
  return most - before;
}

let received = 0;
const store = (name: string, size: number) => async (): Promise<void> => {
  await blobStorage.operations?.create.invokeStream?.(connection, {
    ...call("create", name),
    body: content(size),
  });
};
const fetch = (name: string) => async (): Promise<void> => {
  received = 0;
  const answer = await blobStorage.operations?.get.invokeStream?.(connection, {
    ...call("get", name),
    body: content(0),
  });
  let nextSample = 0;
  for await (const part of answer?.body ?? []) {
    received += part.length;
    if (received < nextSample) continue;
    nextSample += sampleEach;
    sample();
  }
};
// Code, buffers and heap of an ordinary transfer are there before the measurement.
await store("small", 8 * 1024 * 1024)();
await fetch("small")();
const create = await growthOf(store("large", Number(bytes)));
const get = await growthOf(fetch("large"));
process.stdout.write(JSON.stringify({ create, get, received }));
await connection[Symbol.asyncDispose]();
