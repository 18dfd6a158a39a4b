import { invalid } from "./failures.ts";

/** Bytes; S3's own limit. */
const longestKey = 1024;

/**
 * The path of an object's key, percent-encoded. Throws a `BindingError` for a key that S3 has not, or that a client or proxy
 * would resolve to another one.
 */
export function pathOfKey(key: string): string {
  if (Buffer.byteLength(key) > longestKey)
    throw invalid(`the key is longer than ${longestKey} bytes`);
  if (!key.isWellFormed() || key.includes("\0")) throw invalid("the key is no text that S3 takes");
  const segments = key.split("/");
  if (segments.some((segment) => segment === "." || segment === ".."))
    throw invalid("the key has a segment that is . or .., which means another path in a URL");
  return segments.map(percentEncoded).join("/");
}

/** As SigV4 wants it: all but unreserved characters. */
export function percentEncoded(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** What S3 allows in the name and the value of a tag, and how long they may be, in characters; an object has ten at most. */
const tagText = /^[\p{L}\p{Z}\p{N}_.:/=+@-]*$/u;
const [longestTagName, longestTagValue, mostTags] = [128, 256, 10];

/** The value of the header for tags: `a=1,b=2` as `a=1&b=2`. Throws a `BindingError` for what S3 would refuse. */
export function taggingOf(text: string): string {
  const tags = text.split(",").map(readTag);
  if (tags.length > mostTags) throw invalid(`an object has at most ${mostTags} tags`);
  return tags.map(([name, value]) => `${percentEncoded(name)}=${percentEncoded(value)}`).join("&");
}

function readTag(entry: string): [name: string, value: string] {
  const [first = "", ...rest] = entry.trim().split("=");
  const name = first.trim();
  const value = rest.join("=").trim();
  if (name === "" || value === "") {
    throw invalid(`parsing tags falied error: invalid tag format: '${entry}' (expected key=value)`);
  }
  if (name.length > longestTagName || value.length > longestTagValue)
    throw invalid(
      `a tag has at most ${longestTagName} characters in its name and ${longestTagValue} in its value`,
    );
  if (!tagText.test(name) || !tagText.test(value))
    throw invalid("a tag has letters, digits, spaces and + - = . _ : / @ alone");
  return [name, value];
}

/** Throws a `BindingError` for what cannot be the name of a bucket, and for ARNs, which are addressed otherwise. */
export function checkBucket(bucket: string): void {
  if (/^[\w.-]{1,255}$/.test(bucket) && !/^\.+$/.test(bucket)) return;
  throw invalid(`bucket ${JSON.stringify(bucket)} is no name of a bucket; an ARN or a URL is none`);
}

/** Whether a host's name can begin with the bucket's, so that certificates fit. */
export function fitsHost(bucket: string, origin: string): boolean {
  const { hostname, protocol } = new URL(origin);
  if (/^[\d.]+$|^\[/.test(hostname)) return false;
  const label =
    protocol === "https:"
      ? /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/
      : /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
  return label.test(bucket);
}
