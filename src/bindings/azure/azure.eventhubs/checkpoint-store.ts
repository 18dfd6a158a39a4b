import { BindingError } from "../../../errors.ts";
import { elementAt, parseXml, textAt } from "../../../text/xml.ts";
import type { StorageClient } from "../storage-client.ts";

/** Who reads a partition, as its blob says. */
export type Ownership = {
  readonly partition: string;
  /** The empty text: nobody, who has given it up. */
  readonly owner: string;
  readonly etag: string;
  /** How long ago it was renewed, in milliseconds, by the store's own clock. */
  readonly age: number;
};

export type Checkpoint = {
  readonly partition: string;
  readonly sequence: number;
  readonly offset: string;
  /** What was handled above it, which Azure's own libraries pass over: they deliver it again. */
  readonly ranges: string;
  readonly etag: string;
};

type Place = { readonly namespace: string; readonly hub: string; readonly group: string };

type Blob = {
  readonly name: string;
  readonly etag: string;
  readonly modified: number;
  readonly metadata: ReadonlyMap<string, string>;
};

/**
 * Ownership and checkpoints of a consumer group as Azure's own libraries keep them in blobs without content:
 * NAMESPACE/HUB/GROUP/ownership/PARTITION with the metadata `ownerid`, and …/checkpoint/PARTITION with `sequencenumber` and
 * `offset`. Names are in lower case; those that older libraries wrote as they were given are read, too.
 */
export class CheckpointStore {
  readonly #client: StorageClient;
  readonly #container: string;
  readonly #prefix: string;

  constructor(client: StorageClient, container: string, { namespace, hub, group }: Place) {
    this.#client = client;
    this.#container = container;
    this.#prefix = `${namespace}/${hub}/${group}`;
  }

  /** Makes the container where it is not there; who may not is fine. */
  async ensure(signal: AbortSignal): Promise<void> {
    try {
      await this.#client.send(
        "making the container",
        { method: "PUT", path: [this.#container], query: { restype: "container" } },
        signal,
      );
    } catch (error) {
      const reason = error instanceof BindingError ? error.reason : undefined;
      if (reason !== "already_exists" && reason !== "permission_denied" && reason !== "aborted")
        throw error;
    }
  }

  async ownerships(signal: AbortSignal): Promise<Ownership[]> {
    const { blobs, now } = await this.#list("ownership", signal);
    return blobs.map(({ partition, blob, isOld }) => ({
      partition,
      owner: blob.metadata.get("ownerid") ?? "",
      // A blob of the older name is not written any more.
      etag: isOld ? "" : blob.etag,
      age: now - blob.modified,
    }));
  }

  /** Takes or renews a partition. `undefined`: another was faster. An owner that is empty gives it up. */
  async claim(
    partition: string,
    owner: string,
    etag: string,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    return this.#write(this.#nameOf("ownership", partition), { ownerid: owner }, etag, signal);
  }

  async checkpoints(signal: AbortSignal): Promise<Map<string, Checkpoint>> {
    const { blobs } = await this.#list("checkpoint", signal);
    const found = new Map<string, Checkpoint>();
    for (const { partition, blob, isOld } of blobs) {
      const sequence = Number(blob.metadata.get("sequencenumber"));
      const offset = blob.metadata.get("offset") ?? "";
      if (!Number.isSafeInteger(sequence)) continue;
      const ranges = blob.metadata.get("cufflinkhandled") ?? "";
      found.set(partition, { partition, sequence, offset, ranges, etag: isOld ? "" : blob.etag });
    }
    return found;
  }

  /** Keeps how far a partition was handled. `undefined`: another reader has written it since. */
  async checkpoint(
    { partition, sequence, offset, ranges, etag }: Checkpoint,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const more = ranges === "" ? {} : { cufflinkhandled: ranges };
    const metadata = { sequencenumber: String(sequence), offset, ...more };
    return this.#write(this.#nameOf("checkpoint", partition), metadata, etag, signal);
  }

  #nameOf(kind: "ownership" | "checkpoint", partition: string): string {
    return `${this.#prefix}/${kind}/${partition}`.toLowerCase();
  }

  /** The empty `etag`: there must be no such blob. */
  async #write(
    name: string,
    metadata: Readonly<Record<string, string>>,
    etag: string,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const headers = Object.fromEntries(
      Object.entries(metadata).map(([key, value]) => [`x-ms-meta-${key}`, value]),
    );
    const path = [this.#container, name];
    const isNew = etag === "";
    try {
      const answer = await this.#client.send(
        `writing ${name}`,
        isNew
          ? {
              ...{ method: "PUT", path, body: Buffer.alloc(0) },
              headers: { "x-ms-blob-type": "BlockBlob", "if-none-match": "*", ...headers },
            }
          : {
              ...{ method: "PUT", path, query: { comp: "metadata" } },
              headers: { "if-match": etag, ...headers },
            },
        signal,
      );
      return String(answer.headers.etag ?? "");
    } catch (error) {
      const code = error instanceof BindingError ? error.systemCode : undefined;
      if (code === "ConditionNotMet" || code === "BlobAlreadyExists" || code === "BlobNotFound")
        return undefined;
      throw error;
    }
  }

  async #list(
    kind: "ownership" | "checkpoint",
    signal: AbortSignal,
  ): Promise<{
    blobs: { partition: string; blob: Blob; isOld: boolean }[];
    now: number;
  }> {
    const written = `${this.#prefix}/${kind}/`;
    const folded = written.toLowerCase();
    const found = new Map<string, { partition: string; blob: Blob; isOld: boolean }>();
    let now = Date.now();
    for (const prefix of new Set([written, folded])) {
      let marker = "";
      do {
        const answer = await this.#client.send(
          `listing ${prefix}`,
          {
            ...{ method: "GET", path: [this.#container] },
            query: {
              ...{ restype: "container", comp: "list", prefix, include: "metadata" },
              ...(marker === "" ? {} : { marker }),
            },
          },
          signal,
        );
        const date = Date.parse(String(answer.headers["date"] ?? ""));
        if (!Number.isNaN(date)) now = date;
        const root = parseXml(answer.body.toString("utf8"));
        for (const blob of blobsOf(root)) {
          const partition = blob.name.slice(blob.name.lastIndexOf("/") + 1);
          found.set(partition, { partition, blob, isOld: prefix !== folded });
        }
        marker = textAt(root, "NextMarker") ?? "";
      } while (marker !== "");
    }
    return { blobs: [...found.values()], now };
  }
}

function blobsOf(root: ReturnType<typeof parseXml>): Blob[] {
  return (elementAt(root, "Blobs")?.children ?? []).map((blob) => {
    const metadata = elementAt(blob, "Metadata")?.children ?? [];
    const etag = textAt(blob, "Properties", "Etag") ?? "";
    return {
      name: textAt(blob, "Name") ?? "",
      // The list has them without the quotes that headers have.
      etag: etag.startsWith('"') ? etag : `"${etag}"`,
      modified: Date.parse(textAt(blob, "Properties", "Last-Modified") ?? ""),
      metadata: new Map(metadata.map(({ name, text }) => [name.toLowerCase(), text])),
    };
  });
}
