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

/** A checkpoint that was read, and when it was written, in milliseconds since 1970. */
export type KeptCheckpoint = Checkpoint & { readonly modified: number };

/** As the component's metadata write them: Azure's library for Go, which Dapr has, does not fold their case. */
type Place = { readonly namespace: string; readonly hub: string; readonly group: string };

type Kind = "ownership" | "checkpoint";

type Blob = {
  readonly partition: string;
  readonly etag: string;
  readonly modified: number;
  readonly metadata: ReadonlyMap<string, string>;
};

/** What a conditional write is answered that comes too late. */
const conflicts: ReadonlySet<string> = new Set([
  "ConditionNotMet",
  "BlobAlreadyExists",
  "BlobNotFound",
]);

/**
 * Ownership and checkpoints of a consumer group as Azure's own libraries keep them, in blobs without content:
 * NAMESPACE/HUB/GROUP/ownership/PARTITION with the metadata `ownerid`, and …/checkpoint/PARTITION with `sequencenumber` and
 * `offset`.
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
        `making the container ${this.#container}`,
        { method: "PUT", path: [this.#container], query: { restype: "container" } },
        signal,
      );
    } catch (error) {
      const reason = error instanceof BindingError ? error.reason : undefined;
      if (reason !== "already_exists" && reason !== "permission_denied") throw error;
    }
  }

  async ownerships(signal: AbortSignal): Promise<Ownership[]> {
    const { blobs, now } = await this.#list("ownership", signal);
    return blobs.map(({ partition, metadata, etag, modified }) => ({
      ...{ partition, etag, owner: metadata.get("ownerid") ?? "" },
      age: now - modified,
    }));
  }

  /**
   * Takes or renews a partition whose blob has this tag; the empty one: it must not be there. `undefined`: another was
   * faster. An owner that is empty gives it up.
   */
  claim(
    partition: string,
    owner: string,
    etag: string,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    return this.#write("ownership", partition, { ownerid: owner }, etag, signal);
  }

  async checkpoints(signal: AbortSignal): Promise<Map<string, KeptCheckpoint>> {
    const { blobs } = await this.#list("checkpoint", signal);
    const found = new Map<string, KeptCheckpoint>();
    for (const { partition, metadata, etag, modified } of blobs) {
      const sequence = Number(metadata.get("sequencenumber") ?? Number.NaN);
      const offset = metadata.get("offset") ?? "";
      if (!Number.isSafeInteger(sequence) || offset === "") {
        throw new BindingError(
          "failed_precondition",
          `the checkpoint ${this.#nameOf("checkpoint", partition)} has no sequencenumber and offset; remove the blob to begin anew`,
        );
      }
      const ranges = metadata.get("cufflinkhandled") ?? "";
      found.set(partition, { partition, sequence, offset, ranges, etag, modified });
    }
    return found;
  }

  /** Keeps how far a partition was handled. `undefined`: its blob has another tag by now. */
  checkpoint(
    { partition, sequence, offset, ranges, etag }: Checkpoint,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const more = ranges === "" ? {} : { cufflinkhandled: ranges };
    const metadata = { sequencenumber: String(sequence), offset, ...more };
    return this.#write("checkpoint", partition, metadata, etag, signal);
  }

  #nameOf(kind: Kind, partition: string): string {
    return `${this.#prefix}/${kind}/${partition}`;
  }

  async #write(
    kind: Kind,
    partition: string,
    metadata: Readonly<Record<string, string>>,
    etag: string,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const headers = Object.fromEntries(
      Object.entries(metadata).map(([key, value]) => [`x-ms-meta-${key}`, value]),
    );
    const name = this.#nameOf(kind, partition);
    const path = [this.#container, name];
    const request =
      etag === ""
        ? {
            ...{ method: "PUT", path, body: Buffer.alloc(0) },
            headers: { "x-ms-blob-type": "BlockBlob", "if-none-match": "*", ...headers },
          }
        : {
            ...{ method: "PUT", path, query: { comp: "metadata" } },
            headers: { "if-match": etag, ...headers },
          };
    try {
      const answer = await this.#client.send(`writing ${name}`, request, signal);
      return answer.headers.etag ?? "";
    } catch (error) {
      const code = error instanceof BindingError ? error.systemCode : undefined;
      if (conflicts.has(code ?? "")) return undefined;
      throw error;
    }
  }

  async #list(kind: Kind, signal: AbortSignal): Promise<{ blobs: Blob[]; now: number }> {
    const prefix = this.#nameOf(kind, "");
    const blobs: Blob[] = [];
    let now = Date.now();
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
      const date = Date.parse(answer.headers["date"] ?? "");
      if (!Number.isNaN(date)) now = date;
      const root = parseXml(answer.body.toString("utf8"));
      blobs.push(...blobsOf(root));
      marker = textAt(root, "NextMarker") ?? "";
    } while (marker !== "");
    return { blobs, now };
  }
}

function blobsOf(root: ReturnType<typeof parseXml>): Blob[] {
  return (elementAt(root, "Blobs")?.children ?? []).map((blob) => {
    const name = textAt(blob, "Name") ?? "";
    const metadata = elementAt(blob, "Metadata")?.children ?? [];
    const etag = textAt(blob, "Properties", "Etag") ?? "";
    return {
      partition: name.slice(name.lastIndexOf("/") + 1),
      // The list has them without the quotes that headers have.
      etag: etag.startsWith('"') ? etag : `"${etag}"`,
      modified: Date.parse(textAt(blob, "Properties", "Last-Modified") ?? ""),
      metadata: new Map(metadata.map(({ name: key, text }) => [key.toLowerCase(), text])),
    };
  });
}
