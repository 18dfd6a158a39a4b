import { BindingError } from "../../errors.ts";
import { isObject } from "../../http-client/service-client.ts";
import type { Answered } from "../../http-client/exchange.ts";
import { parseXml, textAt } from "../../text/xml.ts";
import type { XmlElement } from "../../text/xml.ts";

const mostResults = 1000;
const largestInt32 = 2 ** 31 - 1;

/** The query of a listing, of data as Dapr takes them. Throws a `BindingError`. */
export function listingQuery(data: Uint8Array): URLSearchParams {
  const said = membersOf(data);
  const text = (name: string): string => {
    const value = said[name] ?? "";
    if (typeof value === "string") return value;
    throw wrong(`${name} must be a text`);
  };
  const results = said["maxResults"] ?? 0;
  if (typeof results !== "number" || !Number.isInteger(results) || Math.abs(results) > largestInt32)
    throw wrong("maxResults must be a whole number of 32 bits");
  const query = new URLSearchParams();
  // In the order of Huawei's SDK; what is empty is not sent.
  for (const name of ["delimiter", "marker"]) if (text(name) !== "") query.set(name, text(name));
  query.set("max-keys", String(results === 0 ? mostResults : results));
  if (text("prefix") !== "") query.set("prefix", text("prefix"));
  return query;
}

/** A listing as Dapr answers it: what Huawei's SDK holds, written as Go writes it. */
export function listingOf({ status, headers, body }: Answered): Uint8Array {
  const root = parseXml(body.toString("utf8"));
  if (root?.name !== "ListBucketResult")
    throw new BindingError("internal", "obs binding error: the answer is no listing");
  const of = (name: string): string => textAt(root, name) ?? "";
  const children = (name: string): XmlElement[] =>
    root.children.filter((child) => child.name === name);
  const contents = children("Contents").map(contentOf);
  const prefixes = children("CommonPrefixes").map((child) => textAt(child, "Prefix") ?? "");
  const listing = {
    StatusCode: status,
    request_id: headers["x-obs-request-id"] ?? "",
    ResponseHeaders: shownHeaders(headers),
    XMLName: nameOf("ListBucketResult"),
    Delimiter: of("Delimiter"),
    IsTruncated: of("IsTruncated").trim() === "true",
    Marker: of("Marker"),
    NextMarker: of("NextMarker"),
    MaxKeys: Number(of("MaxKeys")),
    Name: of("Name"),
    Prefix: of("Prefix"),
    Contents: contents.length === 0 ? null : contents,
    CommonPrefixes: prefixes.length === 0 ? null : prefixes,
    Location: headers["x-obs-bucket-location"] ?? "",
    EncodingType: of("EncodingType"),
  };
  return Buffer.from(JSON.stringify(listing));
}

function contentOf(element: XmlElement): Record<string, unknown> {
  const of = (...path: string[]): string => textAt(element, ...path) ?? "";
  return {
    XMLName: nameOf("Contents"),
    Owner: {
      XMLName: nameOf("Owner"),
      ID: of("Owner", "ID"),
      DisplayName: of("Owner", "DisplayName"),
    },
    ETag: of("ETag"),
    Key: of("Key"),
    LastModified: of("LastModified"),
    Size: Number(of("Size")),
    StorageClass: of("StorageClass"),
  };
}

/** Names in lower case, as the SDK keeps them, without the vendor's prefix. */
function shownHeaders(headers: Answered["headers"]): Record<string, string[]> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name.replace(/^x-obs-(meta-)?/, ""),
      [value ?? ""].flat(),
    ]),
  );
}

function nameOf(local: string): { Space: string; Local: string } {
  return { Space: "", Local: local };
}

function membersOf(data: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(data).toString("utf8"));
    if (isObject(parsed)) return parsed;
  } catch {
    // Said below.
  }
  throw wrong("the data are no JSON object");
}

function wrong(message: string): BindingError {
  return new BindingError("invalid_argument", `obs binding error: ${message}`);
}
