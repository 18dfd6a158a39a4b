import { BindingError } from "../../../errors.ts";
import { elementAt, textAt } from "../../../text/xml.ts";
import type { XmlElement } from "../../../text/xml.ts";
import type { Container, ListOptions } from "./container.ts";
import { goJson, readJson } from "./json.ts";

/** The most that the service gives in one page. */
const largestPage = 5000;

type Listed = { readonly data: Uint8Array; readonly metadata: Record<string, string> };

/** Pages until there are as many blobs as were asked for, as Dapr's. */
export async function listBlobs(
  container: Container,
  data: Uint8Array | undefined,
  signal: AbortSignal,
): Promise<Listed> {
  const options = optionsOf(data);
  const wanted = options.maxResults ?? largestPage;
  const items: object[] = [];
  let next = options.marker;
  let marker: string;
  let pages = 0;
  do {
    const page = await container.list({ ...options, marker: next }, signal);
    for (const blob of page.blobs) items.push(itemOf(blob));
    ({ marker, next } = page);
    pages++;
  } while (next !== "" && items.length < wanted);
  return {
    data: goJson(items),
    metadata: { marker, number: String(items.length), pagesTraversed: String(pages) },
  };
}

function optionsOf(data: Uint8Array | undefined): ListOptions {
  const given = data === undefined ? {} : readJson(data);
  const { marker, prefix, maxResults, include } = given;
  for (const [name, value] of Object.entries({ marker, prefix }))
    if (value !== undefined && value !== null && typeof value !== "string")
      throw wrong(name, "a text");
  const isNumber = Number.isInteger(maxResults) && Math.abs(Number(maxResults)) < 2 ** 31;
  if (maxResults !== undefined && maxResults !== null && !isNumber)
    throw wrong("maxResults", "an integer");
  if (include !== undefined && include !== null && typeof include !== "object")
    throw wrong("include", "an object");
  const wanted = Object.entries(include ?? {}).filter(([name]) => included.has(name.toLowerCase()));
  for (const [name, value] of wanted)
    if (typeof value !== "boolean" && value !== null)
      throw wrong(`include.${name}`, "true or false");
  return {
    marker: marker as string | undefined,
    prefix: prefix as string | undefined,
    maxResults: Number(maxResults) > 0 ? Number(maxResults) : largestPage,
    include: wanted.filter(([, value]) => value === true).map(([name]) => name.toLowerCase()),
  };
}

const included = new Set(["copy", "metadata", "snapshots", "uncommittedblobs", "deleted"]);

function wrong(field: string, kind: string): BindingError {
  return new BindingError("invalid_argument", `list: ${field} must be ${kind}`);
}

type Reader = (text: string) => unknown;
const text: Reader = (value) => value;
const flag: Reader = (value) => value === "true";
const number: Reader = (value) => Number(value);
const time: Reader = (value) => {
  const milliseconds = Date.parse(value);
  return Number.isNaN(milliseconds)
    ? null
    : new Date(milliseconds).toISOString().replace(/\.000Z$/, "Z");
};

/** The members of an item's properties in the answer, in order: the service's own names, and how each is read. */
const properties: readonly (readonly [string, string, Reader])[] = [
  ["ETag", "Etag", text],
  ["LastModified", "Last-Modified", time],
  ["AccessTier", "AccessTier", text],
  ["AccessTierChangeTime", "AccessTierChangeTime", time],
  ["AccessTierInferred", "AccessTierInferred", flag],
  ["ArchiveStatus", "ArchiveStatus", text],
  ["BlobSequenceNumber", "x-ms-blob-sequence-number", number],
  ["BlobType", "BlobType", text],
  ["CacheControl", "Cache-Control", text],
  ["ContentDisposition", "Content-Disposition", text],
  ["ContentEncoding", "Content-Encoding", text],
  ["ContentLanguage", "Content-Language", text],
  ["ContentLength", "Content-Length", number],
  ["ContentMD5", "Content-MD5", text],
  ["ContentType", "Content-Type", text],
  ["CopyCompletionTime", "CopyCompletionTime", time],
  ["CopyID", "CopyId", text],
  ["CopyProgress", "CopyProgress", text],
  ["CopySource", "CopySource", text],
  ["CopyStatus", "CopyStatus", text],
  ["CopyStatusDescription", "CopyStatusDescription", text],
  ["CreationTime", "Creation-Time", time],
  ["CustomerProvidedKeySHA256", "CustomerProvidedKeySha256", text],
  ["DeletedTime", "DeletedTime", time],
  ["DestinationSnapshot", "DestinationSnapshot", text],
  ["EncryptionScope", "EncryptionScope", text],
  ["ExpiresOn", "Expiry-Time", time],
  ["ImmutabilityPolicyExpiresOn", "ImmutabilityPolicyUntilDate", time],
  ["ImmutabilityPolicyMode", "ImmutabilityPolicyMode", text],
  ["IncrementalCopy", "IncrementalCopy", flag],
  ["IsSealed", "Sealed", flag],
  ["LastAccessedOn", "LastAccessTime", time],
  ["LeaseDuration", "LeaseDuration", text],
  ["LeaseState", "LeaseState", text],
  ["LeaseStatus", "LeaseStatus", text],
  ["LegalHold", "LegalHold", flag],
  ["RehydratePriority", "RehydratePriority", text],
  ["RemainingRetentionDays", "RemainingRetentionDays", number],
  ["ServerEncrypted", "ServerEncrypted", flag],
  ["TagCount", "TagCount", number],
];

/** A blob as Go's client writes it in JSON: what is absent is null. */
function itemOf(blob: XmlElement): object {
  const read = (element: XmlElement | undefined, name: string, as: Reader): unknown => {
    const found = textAt(element, name);
    // Of an empty text a number or time is none.
    return found === undefined || (found === "" && as !== text) ? null : as(found);
  };
  const own = elementAt(blob, "Properties");
  const tags = elementAt(blob, "Tags", "TagSet")?.children;
  return {
    Deleted: read(blob, "Deleted", flag),
    Name: read(blob, "Name", text),
    Properties: Object.fromEntries(properties.map(([name, xml, as]) => [name, read(own, xml, as)])),
    Snapshot: read(blob, "Snapshot", text),
    BlobTags:
      tags === undefined
        ? null
        : {
            BlobTagSet: tags.map((tag) => ({
              Key: read(tag, "Key", text),
              Value: read(tag, "Value", text),
            })),
          },
    HasVersionsOnly: read(blob, "HasVersionsOnly", flag),
    IsCurrentVersion: read(blob, "IsCurrentVersion", flag),
    Metadata: mapOf(elementAt(blob, "Metadata")),
    OrMetadata: mapOf(elementAt(blob, "OrMetadata")),
    VersionID: read(blob, "VersionId", text),
  };
}

function mapOf(element: XmlElement | undefined): object | null {
  if (element === undefined) return null;
  // In Go's order.
  const all = element.children.map(({ name, text: value }) => [name, value] as const);
  return Object.fromEntries(all.toSorted(([one], [other]) => (one < other ? -1 : 1)));
}
