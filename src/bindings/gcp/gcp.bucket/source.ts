import type { Reader, Reading } from "../../../binding.ts";
import {
  ListingReader,
  type ObjectPage,
  type ObjectStore,
} from "../../../object-source/listing-reader.ts";
import type { ListedObject } from "../../../object-source/object.ts";
import {
  handledTag,
  movedKey,
  readOnHandled,
  type OnHandled,
} from "../../../object-source/on-handled.ts";
import { objectPath } from "../object-paths.ts";
import type { StorageClient } from "../storage-client.ts";
import type { bucketFields } from "./fields.ts";
import { copy } from "./objects.ts";
import { parsed, referenceOf, unlessGone, type Resource } from "./resource.ts";
import { nanosecondsOf } from "../../../folder-watch/sighting.ts";

type Listing = { readonly items?: readonly Resource[]; readonly nextPageToken?: string };

const pageSize = 1_000;

/** Lists the bucket again and again. */
export function readListing(client: StorageClient, reading: Reading<typeof bucketFields>): Reader {
  const { metadata, component } = reading;
  const { bucket, prefix, pollInterval, inlineLimit } = metadata;
  const onHandled = readOnHandled(metadata.onHandled, prefix);
  const server = client.home.origin;
  return new ListingReader({
    store: new BucketStore(client, bucket, prefix, onHandled),
    identity: JSON.stringify([
      ...[component.appId, component.name, "gcp.bucket", server, bucket, prefix],
    ]),
    ...{ onHandled, pollInterval, inlineLimit },
    ...{ logger: reading.logger, memory: reading.memory },
    ...{ deliver: reading.deliver, lost: reading.lost, report: reading.report },
  });
}

class BucketStore implements ObjectStore {
  readonly #client: StorageClient;
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #onHandled: OnHandled;

  constructor(client: StorageClient, bucket: string, prefix: string, onHandled: OnHandled) {
    this.#client = client;
    this.#bucket = bucket;
    this.#prefix = prefix;
    this.#onHandled = onHandled;
  }

  async list(page: string | undefined, signal: AbortSignal): Promise<ObjectPage> {
    const query = new URLSearchParams({
      ...{ maxResults: String(pageSize), projection: "noAcl" },
      ...(this.#prefix === "" ? {} : { prefix: this.#prefix }),
      ...(page === undefined ? {} : { pageToken: page }),
    });
    const path = `${objectPath(this.#bucket)}?${query.toString()}`;
    const { body } = await this.#client.send({ method: "GET", path }, signal);
    const { items = [], nextPageToken } = parsed(body) as Listing;
    // With `tag` the listing itself shows which are put away.
    const isWanted = ({ metadata }: Resource): boolean =>
      this.#onHandled.action !== "tag" || metadata?.[handledTag] !== "true";
    return {
      objects: items.filter(isWanted).map((resource) => listed(this.#bucket, resource)),
      next: nextPageToken || undefined,
    };
  }

  async read(object: ListedObject, signal: AbortSignal): Promise<Buffer | undefined> {
    const query = `alt=media&ifGenerationMatch=${object.version}`;
    const path = `${objectPath(this.#bucket, object.path)}?${query}`;
    return (await unlessGone(this.#client.send({ method: "GET", path }, signal)))?.body;
  }

  async putAway(object: ListedObject, signal: AbortSignal): Promise<void> {
    const { path: key, version } = object;
    const path = objectPath(this.#bucket, key);
    // Not every emulator heeds the conditions of what follows.
    const found = await unlessGone(this.#client.send({ method: "GET", path }, signal));
    if (found === undefined) return;
    const { generation, metageneration = "" } = parsed(found.body) as Resource;
    if (generation !== version) return;
    const condition = `ifGenerationMatch=${version}`;
    if (this.#onHandled.action === "tag") {
      const body = Buffer.from(JSON.stringify({ metadata: { [handledTag]: "true" } }));
      const headers = { "content-type": "application/json" };
      const conditions = `${condition}&ifMetagenerationMatch=${metageneration}`;
      // Refused, because somebody else has just changed the metadata, it is tried again.
      const request = { method: "PATCH", path: `${path}?${conditions}`, headers, body } as const;
      await this.#client.send(request, signal);
      return;
    }
    if (this.#onHandled.action === "move") {
      const to = movedKey(this.#onHandled.prefix, this.#prefix, key);
      const copied = copy(this.#client, [this.#bucket, key, version], [this.#bucket, to], signal);
      if ((await unlessGone(copied.then(() => true))) === undefined) return;
    }
    const request = { method: "DELETE", path: `${path}?${condition}` } as const;
    await unlessGone(this.#client.send(request, signal));
  }
}

function listed(bucket: string, resource: Resource): ListedObject {
  const reference = referenceOf(bucket, resource);
  const { key: path, size, time = "" } = reference;
  const { generation: version } = resource;
  return { path, size, version, modified: nanosecondsOf(new Date(time)), reference };
}
