import { textAt, type XmlElement } from "../../../text/xml.ts";
import type { Bucket } from "./bucket.ts";
import { BindingError } from "../../../errors.ts";
import { isObject } from "./payload.ts";

const mostResults = 1000;

/** Lists as Dapr's `list` does: one page, in the JSON that Go's library makes of it. */
export async function listAsDapr(
  bucket: Bucket,
  { marker, prefix, maxResults, delimiter }: Wanted,
  signal: AbortSignal,
): Promise<Buffer> {
  const root = await bucket.list(
    "ListObjects",
    { marker, prefix, "max-keys": String(maxResults), delimiter },
    signal,
  );
  return Buffer.from(JSON.stringify(asGo(root)));
}

type Wanted = {
  readonly marker: string;
  readonly prefix: string;
  readonly delimiter: string;
  readonly maxResults: number;
};

/** What is to be listed, by a call's data. Throws a `BindingError` in the words of Dapr. */
export function listingOf(data: Uint8Array | undefined): Wanted {
  const text = Buffer.from(data ?? []).toString("utf8");
  let value: unknown = {};
  try {
    if (data !== undefined) value = JSON.parse(text) ?? {};
  } catch (error) {
    throw invalidPayload(String(error));
  }
  if (!isObject(value)) throw invalidPayload("it is no object");
  const { marker = "", prefix = "", maxResults = 0, delimiter = "" } = value;
  for (const [name, one] of Object.entries({ marker, prefix, delimiter }))
    if (typeof one !== "string") throw invalidPayload(`${name} is no string`);
  if (typeof maxResults !== "number" || !Number.isInteger(maxResults))
    throw invalidPayload("maxResults is no integer");
  return {
    marker: String(marker),
    prefix: String(prefix),
    delimiter: String(delimiter),
    maxResults: maxResults < 1 ? mostResults : maxResults,
  };
}

function invalidPayload(why: string) {
  const text = `s3 binding (List Operation) - unable to parse Data property - ${why}`;
  return new BindingError("invalid_argument", text);
}

function asGo(root: XmlElement): object {
  const one = (name: string): string | null => textAt(root, name) ?? null;
  const all = (name: string) => root.children.filter((child) => child.name === name);
  const orNull = <Item>(items: Item[]): Item[] | null => (items.length === 0 ? null : items);
  return {
    CommonPrefixes: orNull(
      all("CommonPrefixes").map((prefix) => ({ Prefix: textAt(prefix, "Prefix") ?? null })),
    ),
    Contents: orNull(all("Contents").map(contentAsGo)),
    Delimiter: one("Delimiter"),
    EncodingType: one("EncodingType") ?? "",
    IsTruncated: one("IsTruncated") === null ? null : one("IsTruncated") === "true",
    Marker: one("Marker"),
    MaxKeys: one("MaxKeys") === null ? null : Number(one("MaxKeys")),
    Name: one("Name"),
    NextMarker: one("NextMarker"),
    Prefix: one("Prefix"),
    RequestCharged: "",
    ResultMetadata: {},
  };
}

function contentAsGo(content: XmlElement): object {
  const owner = content.children.find(({ name }) => name === "Owner");
  const algorithms = content.children.filter(({ name }) => name === "ChecksumAlgorithm");
  const size = textAt(content, "Size");
  return {
    ChecksumAlgorithm: algorithms.length === 0 ? null : algorithms.map(({ text }) => text),
    ChecksumType: textAt(content, "ChecksumType") ?? "",
    ETag: textAt(content, "ETag") ?? null,
    Key: textAt(content, "Key") ?? null,
    LastModified: goTime(textAt(content, "LastModified")),
    Owner:
      owner === undefined
        ? null
        : { DisplayName: textAt(owner, "DisplayName") ?? null, ID: textAt(owner, "ID") ?? null },
    RestoreStatus: null,
    Size: size === undefined ? null : Number(size),
    StorageClass: textAt(content, "StorageClass") ?? "",
  };
}

/** Go leaves the zeros of a fraction out. */
function goTime(time: string | undefined): string | null {
  return (
    time?.replace(/\.(\d*?)0*Z$/, (_all, digits: string) =>
      digits === "" ? "Z" : `.${digits}Z`,
    ) ?? null
  );
}
