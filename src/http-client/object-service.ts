import { createHmac } from "node:crypto";
import { Readable } from "node:stream";
import { isIP } from "node:net";
import { BindingError } from "../errors.ts";
import { boundedText } from "../memory/bounded-text.ts";
import type { MemoryShare } from "../memory/budget.ts";
import { authoritiesOf } from "../tls/pem.ts";
import { textAt, parseXml } from "../text/xml.ts";
import { parseAddress } from "./address.ts";
import type { Address } from "./address.ts";
import { HttpClient } from "./client.ts";
import type { Request } from "./client.ts";
import type { Answered } from "./exchange.ts";
import { setHeader, userAgent } from "./headers.ts";
import type { RequestHeaders } from "./headers.ts";
import { isSuccess } from "./status.ts";
import type { Streamed } from "./streamed.ts";

/** What differs between the vendors whose requests are signed alike. */
export type ObjectVendor = {
  /** The word before the access key, as `OSS`. */
  readonly scheme: string;
  /** The beginning of the headers that are signed, as `x-oss-`. */
  readonly prefix: string;
  /** Whether slashes of a key are slashes of the path, and the key is signed as it is written there. */
  readonly hasFolders: boolean;
};

export type ObjectServiceOptions = {
  readonly vendor: ObjectVendor;
  /** With its scheme. */
  readonly endpoint: string;
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secret: string;
  readonly memory: MemoryShare;
  readonly hide: ((secret: string) => void) | undefined;
  /** The authorities to trust in place of the system's: PEM, or a file of it. */
  readonly caCert?: string | undefined;
};

export type ObjectRequest = {
  readonly method: "GET" | "PUT" | "DELETE";
  /** Absent: the bucket itself. */
  readonly key?: string;
  readonly query?: URLSearchParams;
  readonly body?: Uint8Array | AsyncIterable<Uint8Array>;
};

/** What of a request is signed. */
export type SignedParts = {
  readonly method: string;
  readonly md5?: string;
  readonly contentType: string;
  readonly date: string;
  /** Those of the vendor's prefix. */
  readonly headers: Readonly<Record<string, string>>;
  /** `/BUCKET/KEY`. */
  readonly resource: string;
};

const mostConnections = 128;
const largestAnswer = 16 * 1024 * 1024;
const largestRefusal = 64 * 1024;
const longestKey = 1023;
const contentType = "application/octet-stream";
const nowhereElse: ReadonlySet<string> = new Set();

/** One bucket of an object store whose requests are signed by HMAC-SHA1, as Alibaba's OSS and Huawei's OBS are. */
export class ObjectService implements AsyncDisposable {
  readonly #http: HttpClient;
  readonly #options: ObjectServiceOptions;
  /** Scheme, host and port, and the bucket where the host does not name it. */
  readonly #base: string;

  private constructor(http: HttpClient, options: ObjectServiceOptions, base: string) {
    this.#http = http;
    this.#options = options;
    this.#base = base;
  }

  /** Connects to nothing. Throws a `BindingError` for what is no endpoint or bucket. */
  static async open(options: ObjectServiceOptions): Promise<ObjectService> {
    const base = baseOf(options);
    const http = HttpClient.open(await import("undici"), {
      ...{ url: base, memory: options.memory, maxConnections: mostConnections },
      tls: { ca: await authoritiesOf(options.caCert) },
    });
    return new ObjectService(http, options, base);
  }

  /** Resolves to the answer, whatever its status. */
  async ask(request: ObjectRequest, signal: AbortSignal): Promise<Answered> {
    const { body, signature, ...rest } = this.#prepare(request);
    const maxBody =
      request.method === "GET" && request.key !== undefined ? Infinity : largestAnswer;
    const shared = { ...rest, maxBody, origins: nowhereElse };
    const answered =
      body === undefined || body instanceof Uint8Array
        ? await this.#http.send({ ...shared, body }, signal)
        : await this.#upload(shared, body, signal);
    if (!isSuccess(answered.status)) this.#options.hide?.(signature);
    return answered;
  }

  /** Resolves once the head of the answer is there. */
  async stream(request: ObjectRequest & { body?: never }, signal: AbortSignal): Promise<Streamed> {
    const { method, address, headers, signature } = this.#prepare(request);
    const wanted = { method, address, headers, body: undefined, maxBody: Infinity };
    const answered = await this.#http.stream({ ...wanted, origins: nowhereElse }, signal);
    if (!isSuccess(answered.status)) this.#options.hide?.(signature);
    return answered;
  }

  /** Sends the body as it comes, in chunks. What is cut off is not stored. */
  async #upload(
    request: Omit<Request, "body">,
    body: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<Answered> {
    const failed: { error?: unknown } = {};
    const parts = Readable.from(told(body, failed), { objectMode: false });
    try {
      return await this.#http.send({ ...request, body: parts }, signal);
    } catch (error) {
      throw failed.error ?? error;
    }
  }

  #prepare({ method, key, query, body }: ObjectRequest): {
    method: string;
    address: Address;
    headers: RequestHeaders;
    body: ObjectRequest["body"];
    signature: string;
  } {
    const { vendor, bucket, accessKeyId, secret } = this.#options;
    const path = key === undefined ? "" : escapeKey(key, vendor);
    const search = query === undefined ? "" : `?${query.toString()}`;
    const type = body === undefined ? "" : contentType;
    const date = new Date().toUTCString();
    const resource = `/${bucket}/${vendor.hasFolders ? path : (key ?? "")}`;
    const parts = { method, contentType: type, date, headers: {}, resource };
    const signature = signatureOf(parts, secret);
    const headers: RequestHeaders = new Map([["user-agent", userAgent]]);
    setHeader(headers, "date", date);
    if (type !== "") setHeader(headers, "content-type", type);
    setHeader(headers, "authorization", `${vendor.scheme} ${accessKeyId}:${signature}`);
    // What was stored zipped is given back as it was stored.
    setHeader(headers, "accept-encoding", "identity");
    const address = parseAddress(`${this.#base}/${path}${search}`);
    return { method, address, headers, body, signature };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http[Symbol.asyncDispose]();
  }
}

/** The signature of a request's head, as both vendors' references describe it. */
export function signatureOf(parts: SignedParts, secret: string): string {
  const headers = Object.entries(parts.headers)
    .map(([name, value]) => `${name.toLowerCase()}:${value.trim()}\n`)
    .toSorted()
    .join("");
  const head = [parts.method, parts.md5 ?? "", parts.contentType, parts.date].join("\n");
  return createHmac("sha1", secret).update(`${head}\n${headers}${parts.resource}`).digest("base64");
}

/** The whole answer of a streamed request that was refused; without its text where that is longer than 64 KiB. */
export async function refusedAnswer(streamed: Streamed): Promise<Answered> {
  const text = await boundedText(streamed.body, largestRefusal).catch(() => "");
  streamed.discard();
  return { ...streamed, body: Buffer.from(text), cut: false };
}

/** What a service says in the XML of a refusal. */
export function refusalOf({ body }: Pick<Answered, "body">): {
  code: string;
  message: string;
  requestId: string;
} {
  const root = parseXml(body.toString("utf8"));
  const of = (name: string): string => textAt(root, name)?.trim() ?? "";
  return { code: of("Code"), message: of("Message"), requestId: of("RequestId") };
}

/** A host that is an IP address cannot have the bucket before it: then the path begins with it. */
function baseOf({ endpoint, bucket }: ObjectServiceOptions): string {
  const { origin, path, authorization, hostname } = parseAddress(endpoint);
  if (path !== "/" || authorization !== undefined)
    throw wrong("endpoint must be SCHEME://HOST:PORT alone");
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket))
    throw wrong(
      "bucket must be 3 to 63 lower-case letters, digits, hyphens and dots, with a letter or digit at both ends",
    );
  const isAddress = isIP(hostname.replace(/^\[|\]$/g, "")) !== 0;
  return isAddress ? `${origin}/${bucket}` : origin.replace("://", `://${bucket}.`);
}

/** No part of a key leads out of the bucket. */
function escapeKey(key: string, { hasFolders }: ObjectVendor): string {
  const parts = hasFolders ? key.split("/") : [key];
  if (parts.some((part) => part === "." || part === ".."))
    throw wrong(`an object cannot have the key ${JSON.stringify(key.slice(0, 100))}`);
  if (!key.isWellFormed()) throw wrong("the key is no valid Unicode");
  if (Buffer.byteLength(key) > longestKey)
    throw wrong(`the key has more than ${longestKey} bytes of UTF-8`);
  const escape = (part: string): string =>
    encodeURIComponent(part).replaceAll(
      /[!'()*]/g,
      (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
    );
  return parts.map(escape).join("/");
}

/** Keeps what the body itself failed with: the driver tells only that the request was cut. */
async function* told(
  body: AsyncIterable<Uint8Array>,
  failed: { error?: unknown },
): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    failed.error = error;
    throw error;
  }
}

function wrong(message: string): BindingError {
  return new BindingError("invalid_argument", message);
}
