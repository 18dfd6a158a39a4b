import { setTimeout as pause } from "node:timers/promises";
import type { Reader, Reading } from "../../../binding.ts";
import { BindingError } from "../../../errors.ts";
import {
  ListingReader,
  type ObjectPage,
  type ObjectStore,
} from "../../../object-source/listing-reader.ts";
import type { ListedObject } from "../../../object-source/object.ts";
import { movedKey, readOnHandled, type OnHandled } from "../../../object-source/on-handled.ts";
import { elementAt, textAt, type XmlElement } from "../../../text/xml.ts";
import type { Container } from "./container.ts";
import type { blobFields } from "./fields.ts";
import { nanosecondsOf } from "../../../folder-watch/sighting.ts";

/** A name of metadata has no hyphen here. */
const handledName = "cufflink_handled";
/** Milliseconds between two questions whether a copy is done, which within an account it mostly is at once. */
const copyPoll = 200;

/** Lists the container again and again. */
export function readListing(container: Container, reading: Reading<typeof blobFields>): Reader {
  const { metadata, component } = reading;
  const { prefix, pollInterval, inlineLimit } = metadata;
  const onHandled = readOnHandled(metadata.onHandled, prefix);
  const url = container.storage.urlOf([container.name]);
  return new ListingReader({
    store: new BlobStore(container, prefix, onHandled),
    identity: JSON.stringify([component.appId, component.name, "azure.blobstorage", url, prefix]),
    ...{ onHandled, pollInterval, inlineLimit },
    ...{ logger: reading.logger, memory: reading.memory },
    ...{ deliver: reading.deliver, lost: reading.lost, report: reading.report },
  });
}

class BlobStore implements ObjectStore {
  readonly #container: Container;
  readonly #prefix: string;
  readonly #onHandled: OnHandled;

  constructor(container: Container, prefix: string, onHandled: OnHandled) {
    this.#container = container;
    this.#prefix = prefix;
    this.#onHandled = onHandled;
  }

  async list(page: string | undefined, signal: AbortSignal): Promise<ObjectPage> {
    const wanted = { prefix: this.#prefix, marker: page, include: ["metadata"] };
    const { blobs, next } = await this.#container.list(wanted, signal);
    const isWanted = (blob: XmlElement): boolean =>
      !isFolder(blob) &&
      // Its bytes cannot be read before somebody takes it out of the archive.
      textAt(blob, "Properties", "AccessTier") !== "Archive" &&
      (this.#onHandled.action !== "tag" || !isMarked(blob));
    return {
      objects: blobs.filter(isWanted).map((blob) => listed(this.#container.name, blob)),
      next: next === "" ? undefined : next,
    };
  }

  async read({ path, reference }: ListedObject, signal: AbortSignal): Promise<Buffer | undefined> {
    const conditions = { "if-match": reference.etag ?? "" };
    return (await unlessGone(this.#container.get(path, signal, conditions)))?.body;
  }

  async putAway({ path, reference }: ListedObject, signal: AbortSignal): Promise<void> {
    const { etag = "" } = reference;
    const conditions = { "if-match": etag };
    if (this.#onHandled.action === "tag") {
      const metadata = await this.#metadataOf(path, etag, signal);
      if (metadata === undefined) return;
      const marked = metadata.set(handledName, "true");
      await unlessGone(this.#container.setMetadata(path, marked, conditions, signal));
      return;
    }
    if (this.#onHandled.action === "move") {
      const to = movedKey(this.#onHandled.prefix, this.#prefix, path);
      if ((await unlessGone(this.#copy(path, to, etag, signal))) === undefined) return;
    }
    await unlessGone(this.#container.delete(path, undefined, signal, conditions));
  }

  /** As a listing has them, which keeps the case of their names. `undefined`: the blob is another one. */
  async #metadataOf(
    path: string,
    etag: string,
    signal: AbortSignal,
  ): Promise<Map<string, string> | undefined> {
    const wanted = { prefix: path, maxResults: 1, include: ["metadata"] };
    const { blobs } = await this.#container.list(wanted, signal);
    const [blob] = blobs;
    if (blob === undefined) return undefined;
    const { path: found, reference } = listed(this.#container.name, blob);
    return found === path && reference.etag === etag ? metadataOf(blob) : undefined;
  }

  /** Resolves once the copy is whole. */
  async #copy(from: string, to: string, etag: string, signal: AbortSignal): Promise<true> {
    let status = await this.#container.copy(from, to, etag, signal);
    while (status === "pending") {
      await pause(copyPoll, undefined, { signal });
      status = await this.#container.copyStatus(to, signal);
    }
    if (status === "success") return true;
    throw new BindingError("unavailable", `copying the blob to ${to} has ended as ${status}`);
  }
}

function listed(container: string, blob: XmlElement): ListedObject {
  const key = textAt(blob, "Name") ?? "";
  const properties = elementAt(blob, "Properties");
  const etag = quoted(textAt(properties, "Etag") ?? "");
  const modified = new Date(textAt(properties, "Last-Modified") ?? "");
  const time = Number.isNaN(modified.getTime()) ? "" : modified.toISOString();
  const size = Number(textAt(properties, "Content-Length") ?? 0);
  const version = textAt(blob, "VersionId") || undefined;
  const contentType = textAt(properties, "Content-Type") || undefined;
  return {
    ...{ path: key, size, version: etag, modified: nanosecondsOf(modified) },
    reference: { bucket: container, key, version, etag, size, time, contentType },
  };
}

/** As a header has it, and not each listing and notification. */
function quoted(etag: string): string {
  return etag === "" || etag.startsWith('"') ? etag : `"${etag}"`;
}

function metadataOf(blob: XmlElement): Map<string, string> {
  const all = elementAt(blob, "Metadata")?.children ?? [];
  return new Map(all.map(({ name, text }) => [name, text]));
}

/** The case of a name of metadata does not count. */
function isMarked(blob: XmlElement): boolean {
  return [...metadataOf(blob)].some(
    ([name, value]) => name.toLowerCase() === handledName && value === "true",
  );
}

/** An account with folders of its own (Data Lake Storage) lists them among the blobs. */
function isFolder(blob: XmlElement): boolean {
  if (textAt(blob, "Properties", "ResourceType") === "directory") return true;
  return [...metadataOf(blob)].some(
    ([name, value]) => name.toLowerCase() === "hdi_isfolder" && value === "true",
  );
}

/** What a request resolves to; `undefined`: the blob is gone, or another one is in its place. */
export async function unlessGone<Result>(work: Promise<Result>): Promise<Result | undefined> {
  try {
    return await work;
  } catch (error) {
    const code = error instanceof BindingError ? error.systemCode : undefined;
    if (
      /^(BlobNotFound|ConditionNotMet|SourceConditionNotMet|CannotVerifyCopySource|404|412)$/.test(
        code ?? "",
      )
    )
      return undefined;
    throw error;
  }
}
