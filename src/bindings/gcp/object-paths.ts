import { BindingError } from "../../errors.ts";

const longestName = 1024;
const bucketName = /^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/;

/** Throws a `BindingError` for a text that names no bucket. */
export function checkBucket(name: string): string {
  if (bucketName.test(name)) return name;
  throw new BindingError(
    "invalid_argument",
    `${JSON.stringify(name.slice(0, 300))} is no name of a bucket: 3 to 222 lower-case letters, digits or one of .-_`,
  );
}

/** Throws a `BindingError` for what Cloud Storage takes as the name of no object. */
export function checkKey(name: string): string {
  const wrong =
    Buffer.byteLength(name) > longestName
      ? `it is longer than ${longestName} bytes`
      : /[\r\n]/.test(name)
        ? "it has a line end"
        : name === "." || name === ".." || name.startsWith(".well-known/acme-challenge/")
          ? "Cloud Storage has no object of that name"
          : !name.isWellFormed() || name.includes("\0")
            ? "it is no text"
            : undefined;
  if (wrong === undefined) return name;
  const shown = JSON.stringify(name.slice(0, 300));
  throw new BindingError("invalid_argument", `${shown} is no name of an object: ${wrong}`);
}

/** `/storage/v1/b/BUCKET/o/KEY`, or without the key that of all objects. */
export function objectPath(bucket: string, key?: string): string {
  const objects = `/storage/v1/b/${escaped(checkBucket(bucket))}/o`;
  return key === undefined ? objects : `${objects}/${escaped(checkKey(key))}`;
}

/** As RFC 3986 has it: all but letters, digits and `-._~`. */
export function escaped(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
