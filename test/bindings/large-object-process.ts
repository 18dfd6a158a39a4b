// Stores an object and reads it again, each in parts, and prints by how much the memory of this process grew over what
// it had before: `node --expose-gc large-object-process.ts TYPE KEY PROPERTIES BYTES`, where KEY is the field of a call
// that names the object.
import { bindingModules } from "../../src/bindings/modules.ts";
import { loadDriver } from "../../src/drivers.ts";
import { MemoryBudget } from "../../src/memory/budget.ts";
import { parseFields } from "../../src/metadata/parse.ts";

const [type, keyField = "key", properties = "{}", bytes = "0"] = process.argv.slice(2);
const module = bindingModules.find(({ name }) => name === type);
if (module === undefined) throw new Error(`there is no binding ${type}`);
const { default: binding } = await module.load();
const { values } = parseFields(binding.metadata, JSON.parse(properties) as Record<string, string>);
const ignore = (): void => {};
const connection = await binding.open({
  component: { name: "objects", appId: "test" },
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

/** The same part each time: what the sender throws away is not to be measured. */
const part = Buffer.alloc(256 * 1024, "content");
const sampleEach = 4 * 1024 * 1024;
let most = 0;
let received = 0;

/** What the process has in memory, without what nobody uses any more. */
function sample(): void {
  globalThis.gc?.();
  most = Math.max(most, process.memoryUsage.rss());
}

async function* content(size: number): AsyncGenerator<Uint8Array> {
  for (let sent = 0; sent < size; sent += part.length) {
    if (sent % sampleEach === 0) sample();
    yield part;
  }
}

async function call(operation: string, name: string, size: number) {
  const named = { [keyField]: name };
  return binding.operations?.[operation]?.invokeStream?.(connection, {
    ...{ operation, request: named, properties: named, metadata: values },
    ...{ signal: new AbortController().signal, body: content(size) },
  });
}

/** The most that the process had during the work beyond what it had before, in bytes. */
async function growthOf(work: () => Promise<unknown>): Promise<number> {
  most = 0;
  sample();
  const before = most;
  await work();
  sample();
  return most - before;
}

async function fetchObject(name: string): Promise<void> {
  received = 0;
  const answer = await call("get", name, 0);
  let nextSample = 0;
  for await (const piece of answer?.body ?? []) {
    received += piece.length;
    if (received < nextSample) continue;
    nextSample += sampleEach;
    sample();
  }
}

// Code, buffers and heap of an ordinary transfer are there before the measurement.
await call("create", "small", 8 * 1024 * 1024);
await fetchObject("small");
const create = await growthOf(() => call("create", "large", Number(bytes)));
const get = await growthOf(() => fetchObject("large"));
process.stdout.write(JSON.stringify({ create, get, received }));
await connection[Symbol.asyncDispose]();
