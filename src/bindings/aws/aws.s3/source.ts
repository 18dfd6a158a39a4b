import { BindingError } from "../../../errors.ts";
import type { Reader, Reading } from "../../../binding.ts";
import {
  ListingReader,
  type ObjectPage,
  type ObjectStore,
} from "../../../object-source/listing-reader.ts";
import type { ListedObject } from "../../../object-source/object.ts";
import { handledTag, movedKey, readOnHandled } from "../../../object-source/on-handled.ts";
import type { OnHandled } from "../../../object-source/on-handled.ts";
import { textAt, type XmlElement } from "../../../text/xml.ts";
import type { Bucket } from "./bucket.ts";
import type { s3Fields } from "./fields.ts";
import { nanosecondsOf } from "../../../folder-watch/sighting.ts";

/** Lists the bucket again and again. */
export function readListing(bucket: Bucket, reading: Reading<typeof s3Fields>): Reader {
  const { metadata, component } = reading;
  const { prefix, pollInterval, inlineLimit } = metadata;
  const onHandled = readOnHandled(metadata.onHandled, prefix);
  return new ListingReader({
    store: new S3Store(bucket, prefix, onHandled),
    identity: JSON.stringify([component.appId, component.name, "aws.s3", bucket.name, prefix]),
    ...{ onHandled, pollInterval, inlineLimit },
    ...{ logger: reading.logger, memory: reading.memory },
    ...{ deliver: reading.deliver, lost: reading.lost, report: reading.report },
  });
}

class S3Store implements ObjectStore {
  readonly #bucket: Bucket;
  readonly #prefix: string;
  readonly #onHandled: OnHandled;
  readonly isPutAway?: (object: ListedObject, signal: AbortSignal) => Promise<boolean>;

  constructor(bucket: Bucket, prefix: string, onHandled: OnHandled) {
    this.#bucket = bucket;
    this.#prefix = prefix;
    this.#onHandled = onHandled;
    if (onHandled.action === "tag") this.isPutAway = (...of) => this.#isTagged(...of);
  }

  async list(page: string | undefined, signal: AbortSignal): Promise<ObjectPage> {
    const parameters = {
      ...(page === undefined ? {} : { "continuation-token": page }),
      prefix: this.#prefix,
    };
    const root = await this.#bucket.list("ListObjectsV2", parameters, signal);
    return {
      objects: root.children
        .filter(({ name }) => name === "Contents")
        .map((content) => listed(this.#bucket.name, content)),
      next: textAt(root, "NextContinuationToken"),
    };
  }

  async read({ path, reference }: ListedObject, signal: AbortSignal): Promise<Buffer | undefined> {
    return unlessGone(this.#bucket.get(path, signal, { etag: reference.etag }));
  }

  async putAway(object: ListedObject, signal: AbortSignal): Promise<void> {
    const { path, reference } = object;
    const { etag = "" } = reference;
    // Not every store heeds the condition of a deletion.
    if ((await unlessGone(this.#bucket.etagOf(path, signal))) !== etag) return;
    const { action } = this.#onHandled;
    if (action === "tag") {
      const tags = await this.#bucket.tagsOf(path, signal);
      return this.#bucket.tag(path, tags.set(handledTag, "true"), signal);
    }
    if (this.#onHandled.action === "move") {
      const to = movedKey(this.#onHandled.prefix, this.#prefix, path);
      await this.#bucket.copy(path, to, etag, signal);
    }
    await unlessGone(this.#bucket.delete(path, signal, { etag }));
  }

  async #isTagged({ path }: ListedObject, signal: AbortSignal): Promise<boolean> {
    const tags = await unlessGone(this.#bucket.tagsOf(path, signal));
    return tags?.get(handledTag) === "true";
  }
}

function listed(bucket: string, content: XmlElement): ListedObject {
  const key = textAt(content, "Key") ?? "";
  const etag = textAt(content, "ETag") ?? "";
  const time = textAt(content, "LastModified") ?? "";
  const size = Number(textAt(content, "Size") ?? 0);
  return {
    ...{ path: key, size, version: `${etag} ${time}`, modified: nanosecondsOf(new Date(time)) },
    reference: { bucket, key, etag, size, time },
  };
}

/** What a request resolves to; `undefined`: the object is gone, or another one is in its place. */
export async function unlessGone<Result>(work: Promise<Result>): Promise<Result | undefined> {
  try {
    return await work;
  } catch (error) {
    const code = error instanceof BindingError ? error.systemCode : undefined;
    if (/^(NoSuchKey|NoSuchVersion|NotFound|PreconditionFailed|404|412)$/.test(code ?? ""))
      return undefined;
    throw error;
  }
}
