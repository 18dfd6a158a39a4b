import { BindingError } from "../../../errors.ts";
import type { Answered } from "../../../http-client/exchange.ts";
import type { Streamed } from "../../../http-client/streamed.ts";
import { parseXml, elementAt, textAt } from "../../../text/xml.ts";
import type { XmlElement } from "../../../text/xml.ts";
import { isDenied } from "../storage-failures.ts";
import { storagePermissions as needs, type StoragePermission } from "../storage-permissions.ts";
import type { StorageClient } from "../storage-client.ts";

export type ListOptions = {
  readonly prefix?: string | undefined;
  readonly marker?: string | undefined;
  readonly maxResults?: number | undefined;
  readonly include?: readonly string[];
};

export type ListedPage = {
  readonly blobs: readonly XmlElement[];
  /** The marker that was asked with, as the service repeats it. */
  readonly marker: string;
  /** Where the next page begins; empty: there is none. */
  readonly next: string;
};

type Headers = Readonly<Record<string, string>>;

/** One container of an account. */
export class Container {
  readonly storage: StorageClient;
  readonly name: string;

  constructor(storage: StorageClient, name: string) {
    if (!/^(\$root|\$web|\$logs|[a-z0-9][a-z0-9-]*)$/i.test(name))
      throw new BindingError(
        "invalid_argument",
        "containerName may have letters, digits and hyphens only",
      );
    this.storage = storage;
    this.name = name;
  }

  /** Makes the container if it is not there. False: that is not allowed. */
  async create(access: string | undefined, signal: AbortSignal): Promise<boolean> {
    const headers = access === undefined ? {} : { "x-ms-blob-public-access": access };
    const what = `failed to create Azure Storage container ${this.name}`;
    const query = { restype: "container" };
    const wanted = { method: "PUT", path: [this.name], query, headers };
    try {
      await this.storage.send(what, wanted, signal);
    } catch (error) {
      if (isDenied(error)) return false;
      if (!(error instanceof BindingError && error.reason === "already_exists")) throw error;
    }
    return true;
  }

  /** The blob's URL, as Go's client writes it. */
  urlOf(blob: string): string {
    const escaped = encodeURIComponent(blob)
      .replaceAll(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`)
      .replaceAll(/%(24|26|2B|3A|3D|40)/g, decodeURIComponent);
    return `${this.storage.urlOf([this.name])}/${escaped}`;
  }

  /** Stores a blob whole. */
  async put(
    what: string,
    blob: string,
    body: Uint8Array,
    headers: Headers,
    signal: AbortSignal,
  ): Promise<void> {
    const all = { "x-ms-blob-type": "BlockBlob", ...headers };
    await this.#send(
      what,
      { method: "PUT", blob, headers: all, body, needs: needs.writeBlob },
      signal,
    );
  }

  /** Sends a part of a blob, which nobody sees before {@link Container.commit}. */
  async putBlock(blob: string, id: string, body: Uint8Array, signal: AbortSignal): Promise<void> {
    const query = { comp: "block", blockid: id };
    await this.#send(
      uploading,
      { method: "PUT", blob, query, body, needs: needs.writeBlob },
      signal,
    );
  }

  /** Makes a blob of parts, in place of the old one. */
  async commit(
    blob: string,
    ids: readonly string[],
    headers: Headers,
    signal: AbortSignal,
  ): Promise<void> {
    const blocks = ids.map((id) => `<Latest>${id}</Latest>`).join("");
    const body = Buffer.from(
      `<?xml version="1.0" encoding="utf-8"?><BlockList>${blocks}</BlockList>`,
    );
    const query = { comp: "blocklist" };
    await this.#send(
      uploading,
      { method: "PUT", blob, query, headers, body, needs: needs.writeBlob },
      signal,
    );
  }

  async get(blob: string, signal: AbortSignal, headers: Headers = {}): Promise<Answered> {
    const maxBody = Number.POSITIVE_INFINITY;
    return this.#send(
      downloading,
      { method: "GET", blob, headers, maxBody, needs: needs.readBlob },
      signal,
    );
  }

  /** As it comes. */
  async stream(blob: string, signal: AbortSignal): Promise<Streamed> {
    const wanted = { method: "GET", path: this.#path(blob), needs: needs.readBlob };
    return named(this.storage.stream(downloading, wanted, signal));
  }

  async delete(
    blob: string,
    snapshots: string | undefined,
    signal: AbortSignal,
    conditions: Headers = {},
  ): Promise<void> {
    const headers = { ...conditions, ...(snapshots ? { "x-ms-delete-snapshots": snapshots } : {}) };
    await this.#send(
      "error deleting az blob",
      { method: "DELETE", blob, headers, needs: needs.deleteBlob },
      signal,
    );
  }

  /** Replaces the blob's metadata. */
  async setMetadata(
    blob: string,
    metadata: ReadonlyMap<string, string>,
    conditions: Headers,
    signal: AbortSignal,
  ): Promise<void> {
    const query = { comp: "metadata" };
    const wanted = {
      method: "PUT",
      blob,
      query,
      headers: conditions,
      metadata,
      needs: needs.writeBlob,
    };
    await this.#send("error marking az blob", wanted, signal);
  }

  /** Begins to copy a blob within the container if it still has the ETag; resolves to how far it is, as Azure says it. */
  async copy(from: string, to: string, etag: string, signal: AbortSignal): Promise<string> {
    const { login } = this.storage;
    // Where the signature is all that allows to read.
    const sas = "sas" in login ? `?${new URLSearchParams(login.sas).toString()}` : "";
    const headers = {
      "x-ms-copy-source": `${this.storage.urlOf(this.#path(from))}${sas}`,
      "x-ms-source-if-match": etag,
    };
    try {
      const answered = await this.#send(
        copying,
        { method: "PUT", blob: to, headers, needs: needs.copyBlob },
        signal,
      );
      return statusOf(answered);
    } catch (error) {
      // An earlier one is under way.
      const code = error instanceof BindingError ? error.systemCode : undefined;
      if (code === "PendingCopyOperation") return "pending";
      throw error;
    }
  }

  /** How far the copy is that makes a blob. */
  async copyStatus(blob: string, signal: AbortSignal): Promise<string> {
    return statusOf(
      await this.#send(copying, { method: "HEAD", blob, needs: needs.readBlob }, signal),
    );
  }

  /** One page of the blobs, by name. */
  async list(options: ListOptions, signal: AbortSignal): Promise<ListedPage> {
    const { prefix, marker, maxResults, include = [] } = options;
    const query = {
      ...{ restype: "container", comp: "list" },
      ...(prefix ? { prefix } : {}),
      ...(marker ? { marker } : {}),
      ...(maxResults === undefined ? {} : { maxresults: String(maxResults) }),
      ...(include.length === 0 ? {} : { include: include.join(",") }),
    };
    const what = "error listing blobs";
    const wanted = { method: "GET", path: [this.name], query, needs: needs.listBlobs };
    const { body } = await this.storage.send(what, wanted, signal);
    const list = parseXml(body.toString("utf8"));
    const blobs = elementAt(list, "Blobs")?.children;
    if (blobs === undefined)
      throw new BindingError("internal", `${what}: the answer is no list of blobs`, {
        effect: "ambiguous",
      });
    return {
      blobs: blobs.filter(({ name }) => name === "Blob"),
      marker: textAt(list, "Marker") ?? "",
      next: textAt(list, "NextMarker") ?? "",
    };
  }

  #path(blob: string): readonly string[] {
    if (blob === "." || blob === "..")
      throw new BindingError("invalid_argument", `a blob cannot have the name ${blob}`);
    // A container whose names XML cannot carry cannot be listed.
    // oxlint-disable-next-line no-control-regex -- the very characters that are refused
    if (!blob.isWellFormed() || /[\x00-\x1f\x7f\ufffe\uffff]/.test(blob))
      throw new BindingError(
        "invalid_argument",
        "a blob's name must be Unicode without control characters",
      );
    return [this.name, blob];
  }

  #send(
    what: string,
    {
      blob,
      ...wanted
    }: { blob: string; method: string; body?: Uint8Array } & {
      readonly query?: Headers;
      readonly headers?: Headers;
      readonly metadata?: ReadonlyMap<string, string>;
      readonly maxBody?: number;
      readonly needs: StoragePermission;
    },
    signal: AbortSignal,
  ): Promise<Answered> {
    return named(this.storage.send(what, { ...wanted, path: this.#path(blob) }, signal));
  }
}

const uploading = "error uploading az blob";
const copying = "error copying az blob";
const downloading = "error downloading az blob";

function statusOf({ headers }: Answered): string {
  const status = headers["x-ms-copy-status"];
  return typeof status === "string" ? status : "unknown";
}

/** What Dapr says of a blob that is not there. */
async function named<Answer>(sent: Promise<Answer>): Promise<Answer> {
  try {
    return await sent;
  } catch (error) {
    const isMissing =
      error instanceof BindingError &&
      (error.systemCode === "BlobNotFound" || error.systemCode === "404");
    if (!isMissing) throw error;
    throw new BindingError("not_found", "blob not found", {
      effect: "rejected",
      systemCode: error.systemCode,
      cause: error,
    });
  }
}
