import { BindingError } from "../../../errors.ts";

/** Names of request metadata, in lower case, and the headers that they are stored by. */
const contentHeaders: ReadonlyMap<string, string> = new Map([
  ["contenttype", "x-ms-blob-content-type"],
  ["contentmd5", "x-ms-blob-content-md5"],
  ["contentencoding", "x-ms-blob-content-encoding"],
  ["contentlanguage", "x-ms-blob-content-language"],
  ["contentdisposition", "x-ms-blob-content-disposition"],
  ["cachecontrol", "x-ms-blob-cache-control"],
]);

/** What a call says of itself, and not of the blob. */
const ofTheCall = new Set(["blobName", "signTTL"]);

/** What is stored beside a blob's data: headers by their names in lower case, and the MD5 that the data must have. */
export type Described = {
  readonly headers: Readonly<Record<string, string>>;
  readonly md5: string | undefined;
};

/** Of the metadata of a `create`, as Dapr understands them. Throws a `BindingError`. */
export function describeBlob(properties: Readonly<Record<string, string>>): Described {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(properties)) {
    if (ofTheCall.has(name)) continue;
    const header = contentHeaders.get(name.toLowerCase());
    if (header !== undefined && value !== "") headers[header] = ascii(name, value);
    else {
      const kept = name.replaceAll(/[^A-Za-z0-9]/g, "");
      // The service takes names of C#: none that begins with a digit.
      if (kept !== "" && !/^\d/.test(kept))
        headers[`x-ms-meta-${kept.toLowerCase()}`] = plain(value);
      else
        throw wrong(`the metadata ${JSON.stringify(name)} cannot be a name of a blob's metadata`);
    }
  }
  const md5 = headers["x-ms-blob-content-md5"];
  if (md5 !== undefined && Buffer.from(md5, "base64").toString("base64") !== md5) throw wrongMd5();
  if (md5 !== undefined && Buffer.from(md5, "base64").length !== 16) throw wrongMd5();
  return { headers, md5 };
}

/** Throws for what no signed header can carry. */
function ascii(name: string, value: string): string {
  if (/^[\x20-\x7e\t]*$/.test(value)) return value.trim();
  throw wrong(`${name} must be ASCII, without control characters`);
}

/** ASCII without control characters. */
function plain(value: string): string {
  return value.replaceAll(/[^\x20-\x7e\t]/g, "").trim();
}

function wrongMd5(): BindingError {
  return wrong(
    "the MD5 value specified in Content MD5 is invalid, MD5 value must be 128 bits and base64 encoded",
  );
}

/** A blob's own metadata, of the headers of an answer: names begin with a capital letter, as in Go. */
export function metadataOf(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Record<string, string> {
  const metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    const own = /^x-ms-meta-(.)(.*)$/.exec(name);
    if (own === null || typeof value !== "string") continue;
    metadata[`${(own[1] ?? "").toUpperCase()}${own[2] ?? ""}`] = value;
  }
  return metadata;
}

function wrong(message: string): BindingError {
  return new BindingError("invalid_argument", message);
}
