import { createHmac } from "node:crypto";
import { BindingError } from "../../errors.ts";

/** A storage account and its key. */
export type SharedKey = { readonly account: string; readonly key: Buffer };

/** What is signed of a request to Azure Storage. */
export type SignedRequest = {
  readonly method: string;
  /** As it is sent: percent-encoded, from the host on. */
  readonly path: string;
  /** By name, not encoded. */
  readonly query: Readonly<Record<string, string>>;
  /** By name in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly contentLength: number;
};

/** Reads a key as Azure shows it. Throws a `BindingError` that does not quote it. */
export function readSharedKey(account: string, key: string): SharedKey {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(key) || key.length % 4 !== 0)
    throw new BindingError(
      "invalid_argument",
      "invalid shared key credentials with error: accountKey is no base64",
    );
  return { account, key: Buffer.from(key, "base64") };
}

/** In the order of the signature. */
const standardHeaders = [
  "content-encoding",
  "content-language",
  "content-length",
  "content-md5",
  "content-type",
  "date",
  "if-modified-since",
  "if-match",
  "if-none-match",
  "if-unmodified-since",
  "range",
];

/** What Azure's documentation calls the string to sign of Shared Key, for blobs and queues. */
export function stringToSign(account: string, request: SignedRequest): string {
  const { method, path, query, headers, contentLength } = request;
  const lines = [method];
  for (const name of standardHeaders) {
    const isLength = name === "content-length";
    lines.push(
      isLength ? (contentLength === 0 ? "" : String(contentLength)) : (headers[name] ?? ""),
    );
  }
  const own = Object.keys(headers).filter((name) => name.startsWith("x-ms-"));
  for (const name of own.toSorted(byCodeUnits))
    lines.push(`${name}:${headers[name]?.trim() ?? ""}`);
  lines.push(`/${account}${path}`);
  const names = Object.keys(query).toSorted((one, other) =>
    byCodeUnits(one.toLowerCase(), other.toLowerCase()),
  );
  for (const name of names) lines.push(`${name.toLowerCase()}:${query[name] ?? ""}`);
  return lines.join("\n");
}

/** The value of `Authorization`. */
export function authorization({ account, key }: SharedKey, request: SignedRequest): string {
  return `SharedKey ${account}:${sign(key, stringToSign(account, request))}`;
}

function sign(key: Buffer, text: string): string {
  return createHmac("sha256", key).update(text, "utf8").digest("base64");
}

function byCodeUnits(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
