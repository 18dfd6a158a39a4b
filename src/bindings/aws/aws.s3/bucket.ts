import { createHash } from "node:crypto";
import { BindingError } from "../../../errors.ts";
import { parseAddress } from "../../../http-client/address.ts";
import type { Address } from "../../../http-client/address.ts";
import type { Answered } from "../../../http-client/exchange.ts";
import type { Streamed } from "../../../http-client/streamed.ts";
import { presignedPath } from "../../../identity/aws/signing.ts";
import { escapeXml, parseXml, textAt, type XmlElement } from "../../../text/xml.ts";
import { AwsClient, refusalOf } from "../client.ts";
import type { AwsOpening } from "../client.ts";
import { awsFailure } from "../failures.ts";
import type { S3Metadata } from "./fields.ts";
import { checkBucket, fitsHost, pathOfKey, percentEncoded } from "./names.ts";

const service = { id: "S3", host: "s3" } as const;

export type Put = {
  readonly contentType?: string | undefined;
  readonly tagging?: string | undefined;
  readonly storageClass?: string | undefined;
};

/** Where an object was stored. */
export type Stored = { readonly location: string; readonly versionId: string | undefined };

/** The requests of S3 to one bucket, each signed and sent once. */
export class Bucket implements AsyncDisposable {
  readonly #client: AwsClient;
  readonly #hide: (secret: string) => void;
  readonly #origin: string;
  /** What stands before a key in the path. */
  readonly #base: string;
  readonly #endpoint: string | undefined;
  readonly #isPathStyle: boolean;
  readonly name: string;

  private constructor(
    client: AwsClient,
    { bucket, endpoint, forcePathStyle }: S3Metadata,
    hide: (secret: string) => void,
  ) {
    this.#client = client;
    this.#hide = hide;
    this.name = bucket;
    this.#endpoint = endpoint;
    this.#isPathStyle = forcePathStyle;
    const { origin, path } = parseAddress(client.endpoint);
    const inPath = forcePathStyle || !fitsHost(bucket, origin);
    this.#origin = inPath ? origin : origin.replace("://", `://${bucket}.`);
    this.#base = `${path.replace(/\/$/, "")}${inPath ? `/${bucket}` : ""}`;
  }

  /** Asks nobody. Rejects with a `BindingError` for metadata that cannot be used. */
  static async open(opening: AwsOpening & { readonly metadata: S3Metadata }): Promise<Bucket> {
    const { metadata, hide } = opening;
    checkBucket(metadata.bucket);
    const { endpoint, disableSSL, insecureSSL } = metadata;
    const scheme = endpoint && disableSSL && !endpoint.includes("://") ? "http://" : "";
    const client = await AwsClient.open(
      { ...opening, metadata: { ...metadata, endpoint: endpoint && scheme + endpoint } },
      service,
      insecureSSL ? { rejectUnauthorized: false } : undefined,
    );
    return new Bucket(client, metadata, hide ?? (() => undefined));
  }

  async put(key: string, body: Uint8Array, put: Put, signal: AbortSignal): Promise<Stored> {
    const answered = await this.#send("PutObject", "PUT", key, signal, {
      body,
      headers: putHeaders(put),
    });
    return this.#stored(key, answered);
  }

  async get(
    key: string,
    signal: AbortSignal,
    { versionId, etag }: { versionId?: string | undefined; etag?: string | undefined } = {},
  ): Promise<Buffer> {
    const answered = await this.#send("GetObject", "GET", key, signal, {
      query: versionQuery(versionId),
      headers: { "Accept-Encoding": "identity", ...(etag ? { "If-Match": etag } : {}) },
      // The memory for answers is the limit.
      maxBody: Number.POSITIVE_INFINITY,
    });
    return answered.body;
  }

  /** The same with a body that is read as it comes. */
  async stream(key: string, signal: AbortSignal, versionId: string | undefined): Promise<Streamed> {
    return this.#client.stream({
      ...{ operation: "GetObject", method: "GET", path: "", signal, body: undefined },
      address: this.#address(key, versionQuery(versionId)),
      headers: { "Accept-Encoding": "identity" },
    });
  }

  /** The ETag of the object that is there. */
  async etagOf(key: string, signal: AbortSignal): Promise<string | undefined> {
    const { headers } = await this.#send("HeadObject", "HEAD", key, signal, {});
    return headers.etag;
  }

  /** `etag`: only if it still is the object's. */
  async delete(
    key: string,
    signal: AbortSignal,
    { versionId, etag }: { versionId?: string | undefined; etag?: string | undefined } = {},
  ): Promise<void> {
    await this.#send("DeleteObject", "DELETE", key, signal, {
      query: versionQuery(versionId),
      headers: etag ? { "If-Match": etag } : {},
    });
  }

  /** Copies an object within the bucket if it still has the ETag. */
  async copy(from: string, to: string, etag: string, signal: AbortSignal): Promise<void> {
    const headers = {
      "x-amz-copy-source": `/${this.name}/${pathOfKey(from)}`,
      "x-amz-copy-source-if-match": etag,
    };
    const answered = await this.#send("CopyObject", "PUT", to, signal, { headers });
    refuseLateError("CopyObject", answered);
  }

  async tagsOf(key: string, signal: AbortSignal): Promise<Map<string, string>> {
    const answered = await this.#send("GetObjectTagging", "GET", key, signal, { query: "tagging" });
    const set = this.#xml("GetObjectTagging", answered).children.find(
      ({ name }) => name === "TagSet",
    );
    return new Map(
      (set?.children ?? []).map((tag) => [childText(tag, "Key"), childText(tag, "Value")]),
    );
  }

  async tag(key: string, tags: ReadonlyMap<string, string>, signal: AbortSignal): Promise<void> {
    const entries = [...tags].map(
      ([name, value]) =>
        `<Tag><Key>${escapeXml(name)}</Key><Value>${escapeXml(value)}</Value></Tag>`,
    );
    const body = Buffer.from(`<Tagging><TagSet>${entries.join("")}</TagSet></Tagging>`);
    const headers = { "Content-MD5": md5(body), "Content-Type": "application/xml" };
    await this.#send("PutObjectTagging", "PUT", key, signal, { query: "tagging", body, headers });
  }

  /** One page of a listing, by the older operation, as Dapr's is (`ListObjects`), or the newer (`ListObjectsV2`). */
  async list(
    operation: "ListObjects" | "ListObjectsV2",
    parameters: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<XmlElement> {
    const all = operation === "ListObjects" ? parameters : { "list-type": "2", ...parameters };
    const query = Object.entries(all)
      .map(([name, value]) => `${name}=${percentEncoded(value)}`)
      .join("&");
    return this.#xml(operation, await this.#send(operation, "GET", "", signal, { query }));
  }

  /** Deletes up to 1,000 objects; resolves to what S3 says of those that it did not delete, by key. */
  async deleteAll(
    keys: readonly string[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, string>> {
    const objects = keys.map((key) => `<Object><Key>${escapeXml(key)}</Key></Object>`);
    const body = Buffer.from(`<Delete>${objects.join("")}</Delete>`);
    const headers = { "Content-MD5": md5(body), "Content-Type": "application/xml" };
    const answered = await this.#send("DeleteObjects", "POST", "", signal, {
      ...{ query: "delete", body, headers },
    });
    const errors = this.#xml("DeleteObjects", answered).children.filter(
      ({ name }) => name === "Error",
    );
    return new Map(
      errors.map((error) => [
        childText(error, "Key"),
        childText(error, "Message") || childText(error, "Code") || "unknown error",
      ]),
    );
  }

  async beginUpload(key: string, put: Put, signal: AbortSignal): Promise<string> {
    const answered = await this.#send("CreateMultipartUpload", "POST", key, signal, {
      query: "uploads",
      headers: putHeaders(put),
      body: Buffer.alloc(0),
    });
    return childText(this.#xml("CreateMultipartUpload", answered), "UploadId");
  }

  /** Resolves to the part's ETag. */
  async putPart(
    key: string,
    { uploadId, number }: { readonly uploadId: string; readonly number: number },
    body: Uint8Array,
    signal: AbortSignal,
  ): Promise<string> {
    const query = `partNumber=${number}&uploadId=${percentEncoded(uploadId)}`;
    const headers = { "Content-Type": "application/octet-stream" };
    const answered = await this.#send("UploadPart", "PUT", key, signal, { query, headers, body });
    return answered.headers.etag ?? "";
  }

  async completeUpload(
    key: string,
    uploadId: string,
    etags: readonly string[],
    signal: AbortSignal,
  ): Promise<Stored> {
    const parts = etags.map(
      (etag, index) =>
        `<Part><PartNumber>${index + 1}</PartNumber><ETag>${escapeXml(etag)}</ETag></Part>`,
    );
    const answered = await this.#send("CompleteMultipartUpload", "POST", key, signal, {
      query: `uploadId=${percentEncoded(uploadId)}`,
      headers: { "Content-Type": "application/xml" },
      body: Buffer.from(`<CompleteMultipartUpload>${parts.join("")}</CompleteMultipartUpload>`),
    });
    refuseLateError("CompleteMultipartUpload", answered);
    return this.#stored(key, answered);
  }

  async abortUpload(key: string, uploadId: string, signal: AbortSignal): Promise<void> {
    const query = `uploadId=${percentEncoded(uploadId)}`;
    await this.#send("AbortMultipartUpload", "DELETE", key, signal, { query });
  }

  /** A URL with which anybody may read the object for so many seconds. */
  async presign(key: string, seconds: number): Promise<string> {
    const { origin, path } = this.#address(key, "");
    const signed = await presignedPath(
      {
        ...{ service: service.host, region: this.#client.region, host: new URL(origin).host },
        ...{ path, expires: seconds },
      },
      await this.#client.credentials(),
      this.#hide,
    );
    return `${origin}${signed}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]();
  }

  async #send(
    operation: string,
    method: string,
    key: string,
    signal: AbortSignal,
    request: {
      readonly query?: string;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: Uint8Array;
      readonly maxBody?: number;
    },
  ): Promise<Answered> {
    const { query = "", headers = {}, body, maxBody } = request;
    return this.#client.send({
      ...{ operation, method, path: "", headers, body, signal },
      address: this.#address(key, query),
      ...(maxBody === undefined ? {} : { maxBody }),
    });
  }

  #address(key: string, query: string): Address {
    const path = `${this.#base}/${pathOfKey(key)}${query === "" ? "" : `?${query}`}`;
    return parseAddress(`${this.#origin}${path}`);
  }

  #stored(key: string, { headers }: Answered): Stored {
    const versionId = headers["x-amz-version-id"];
    return {
      location: this.#locationOf(key),
      versionId: typeof versionId === "string" ? versionId : undefined,
    };
  }

  /** As Dapr says it. */
  #locationOf(key: string): string {
    if (this.#endpoint) return `${this.#endpoint.replace(/\/+$/, "")}/${this.name}/${key}`;
    return this.#isPathStyle
      ? `https://s3.amazonaws.com/${this.name}/${key}`
      : `https://${this.name}.s3.amazonaws.com/${key}`;
  }

  #xml(operation: string, { body }: Answered): XmlElement {
    const root = parseXml(body.toString("utf8"));
    if (root !== undefined) return root;
    throw unreadable(operation);
  }
}

function putHeaders({ contentType, tagging, storageClass }: Put): Record<string, string> {
  return {
    "Content-Type": contentType || "application/octet-stream",
    ...(tagging ? { "x-amz-tagging": tagging } : {}),
    ...(storageClass ? { "x-amz-storage-class": storageClass } : {}),
  };
}

function versionQuery(versionId: string | undefined): string {
  return versionId ? `versionId=${percentEncoded(versionId)}` : "";
}

function childText(element: XmlElement, name: string): string {
  return textAt(element, name) ?? "";
}

function md5(body: Uint8Array): string {
  return createHash("md5").update(body).digest("base64");
}

/** S3 begins to answer these with 200 before it knows the end, and tells a failure in the body. */
function refuseLateError(operation: string, answered: Answered): void {
  const root = parseXml(answered.body.toString("utf8"));
  if (root?.name !== "Error") return;
  throw awsFailure(service.id, operation, { ...refusalOf(answered), status: 500 });
}

function unreadable(operation: string): BindingError {
  const text = `operation error S3: ${operation}, deserialization failed: no XML`;
  return new BindingError("internal", text, { effect: "ambiguous" });
}
