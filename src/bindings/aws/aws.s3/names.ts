import { BindingError } from "../../../errors.ts";
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

/** The value of the header for tags: `a=1,b=2` as `a=1&b=2`. */
export function taggingOf(text: string): string {
  return text
    .split(",")
    .map((entry) => {
      const [name = "", ...rest] = entry.trim().split("=");
      const value = rest.join("=").trim();
      if (name.trim() === "" || value === "") {
        throw new BindingError(
          "invalid_argument",
          `s3 binding error: parsing tags falied error: invalid tag format: '${entry}' (expected key=value)`,
        );
      }
      return `${percentEncoded(name.trim())}=${percentEncoded(value)}`;
    })
    .join("&");
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
