import { BindingError, messageOf } from "../../../errors.ts";
import { noRoom, assuredBytes, type MemoryShare } from "../../../memory/budget.ts";
import { objectPath } from "../object-paths.ts";
import type { StorageClient } from "../storage-client.ts";
import { attributesOf, prefixAttributes, type StoredObject } from "./attributes.ts";

export type Listing = {
  readonly prefix: string;
  readonly delimiter: string;
  /** The most that are answered. */
  readonly most: number;
};

const pageSize = 1_000;
/** Objects that `bulkGet` reads side by side. */
const mostAtOnce = 8;

/** The attributes of objects, by pages. */
async function* objectsOf(
  client: StorageClient,
  bucket: string,
  { prefix, delimiter }: Omit<Listing, "most">,
  signal: AbortSignal,
): AsyncGenerator<Record<string, unknown>> {
  let page = "";
  do {
    const query = new URLSearchParams({
      ...{ maxResults: String(pageSize), projection: "full" },
      ...(prefix === "" ? {} : { prefix }),
      ...(delimiter === "" ? {} : { delimiter }),
      ...(page === "" ? {} : { pageToken: page }),
    });
    const path = `${objectPath(bucket)}?${query.toString()}`;
    const { body } = await client.send({ method: "GET", path }, signal);
    const answer = JSON.parse(body.toString("utf8")) as {
      items?: StoredObject[];
      prefixes?: string[];
      nextPageToken?: string;
    };
    for (const item of answer.items ?? []) yield attributesOf(item);
    for (const one of answer.prefixes ?? []) yield prefixAttributes(one);
    page = answer.nextPageToken ?? "";
  } while (page !== "");
}

export async function list(
  client: StorageClient,
  bucket: string,
  listing: Listing,
  memory: MemoryShare,
  signal: AbortSignal,
): Promise<Uint8Array> {
  using answer = new JsonArray(memory);
  for await (const attributes of objectsOf(client, bucket, listing, signal)) {
    if (answer.length >= listing.most) break;
    answer.add(JSON.stringify(attributes));
  }
  return answer.whole();
}

/** All objects of the bucket, with their bytes. */
export async function bulkGet(
  client: StorageClient,
  bucket: string,
  encode: boolean,
  memory: MemoryShare,
  signal: AbortSignal,
): Promise<Uint8Array> {
  using answer = new JsonArray(memory);
  const all = { prefix: "", delimiter: "" };
  const read = async (attrs: Record<string, unknown>): Promise<string> => {
    const name = String(attrs["Name"]);
    const path = `${objectPath(bucket, name)}?alt=media`;
    const { body } = await client.send({ method: "GET", path }, signal);
    const bytes = encode ? Buffer.from(body.toString("base64")) : body;
    return JSON.stringify({ name, data: bytes.toString("base64"), attrs });
  };
  const waiting: Record<string, unknown>[] = [];
  const readWaiting = async (): Promise<void> => {
    for (const text of await Promise.all(waiting.splice(0).map(read))) answer.add(text);
  };
  for await (const attrs of objectsOf(client, bucket, all, signal))
    if (waiting.push(attrs) === mostAtOnce) await readWaiting();
  await readWaiting();
  return answer.length === 0 ? Buffer.from("[]") : answer.whole();
}

/** Copies an object, however many requests that takes; with a generation, only if it still is that one. */
export async function copy(
  client: StorageClient,
  [bucket, key, generation]: readonly [bucket: string, key: string, generation?: string],
  [toBucket, toKey]: readonly [bucket: string, key: string],
  signal: AbortSignal,
): Promise<void> {
  const target = objectPath(toBucket, toKey).replace("/storage/v1", "");
  const path = `${objectPath(bucket, key)}/rewriteTo${target}`;
  let token = "";
  do {
    const query = new URLSearchParams({
      ...(generation === undefined ? {} : { ifSourceGenerationMatch: generation }),
      ...(token === "" ? {} : { rewriteToken: token }),
    });
    const whole = query.size === 0 ? path : `${path}?${query.toString()}`;
    const request = { method: "POST", path: whole, body: Buffer.from("{}") } as const;
    const headers = { "content-type": "application/json" };
    const { body } = await client.send({ ...request, headers }, signal).catch((error: unknown) => {
      const isMissing = error instanceof BindingError && error.systemCode === "404";
      const words = isMissing ? "storage: object doesn't exist: " : "";
      throw prefixedBy(`gcp bucket binding error while copying object: ${words}`, error);
    });
    const answer = JSON.parse(body.toString("utf8")) as { done?: boolean; rewriteToken?: string };
    token = answer.done === false ? (answer.rewriteToken ?? "") : "";
  } while (token !== "");
}

/** The words that Dapr's clients look for, before the server's. */
export function prefixedBy(prefix: string, error: unknown): BindingError {
  const known = BindingError.from(error);
  const { reason, effect, systemCode, retryAfter } = known;
  return new BindingError(reason, prefix + messageOf(error), {
    ...{ effect, systemCode, retryAfter, cause: error },
  });
}

/** A JSON array that is gathered while the memory has room for it. */
class JsonArray implements Disposable {
  readonly #room: ReturnType<MemoryShare["open"]>;
  readonly #texts: string[] = [];

  constructor(memory: MemoryShare) {
    this.#room = memory.open(assuredBytes);
  }

  get length(): number {
    return this.#texts.length;
  }

  add(text: string): void {
    if (!this.#room.reserve(text.length))
      throw new BindingError("resource_exhausted", `gcp bucket binding error: ${noRoom}`, {
        effect: "unsent",
      });
    this.#texts.push(text);
  }

  /** Empty, it is null, as Go writes it. */
  whole(): Uint8Array {
    return Buffer.from(this.#texts.length === 0 ? "null" : `[${this.#texts.join(",")}]`);
  }

  [Symbol.dispose](): void {
    this.#room.release();
  }
}
