import { BindingError } from "../../../errors.ts";
import type { ObjectReference } from "../../../object-source/object.ts";

/** A blob that was stored, and whether its bytes can be read. */
export type NewBlob = ObjectReference & { readonly isArchived: boolean };

/**
 * The blobs that a message of Event Grid tells of: an event, or several, in its own schema or that of CloudEvents 1.0,
 * in base64, as Event Grid writes to queues, or plain. Throws a `BindingError` for a message that is none.
 */
export function newBlobs(text: string): NewBlob[] {
  const message = parsed(text);
  const events = Array.isArray(message) ? (message as unknown[]) : [message];
  return events.flatMap((event) => ofEvent(fieldsOf(event, "it")));
}

type Fields = Readonly<Record<string, unknown>>;

/** The file is there, and what it is to have has not come: another event follows. */
const begun = new Set(["CreateFile", "SftpCreate"]);

function ofEvent(event: Fields): NewBlob[] {
  const isCloudEvent = event["specversion"] !== undefined;
  const type = textOf(event, isCloudEvent ? "type" : "eventType");
  if (type !== "Microsoft.Storage.BlobCreated") return [];
  const data = fieldsOf(event["data"], "data");
  if (begun.has(String(data["api"]))) return [];
  const { container, key } = nameOf(textOf(event, "subject"), data["url"]);
  const { eTag, contentLength, contentType, accessTier } = data;
  const time = event[isCloudEvent ? "time" : "eventTime"];
  return [
    {
      ...{ bucket: container, key },
      // Some have it without quotes, which a header has.
      ...(isText(eTag) ? { etag: `"${eTag.replaceAll('"', "")}"` } : {}),
      ...(typeof contentLength === "number" ? { size: contentLength } : {}),
      ...(isText(time) ? { time } : {}),
      ...(isText(contentType) ? { contentType } : {}),
      isArchived: accessTier === "Archive",
    },
  ];
}

/** The subject names the container; the blob's name is percent-encoded in the URL, and as it is in the subject. */
function nameOf(subject: string, url: unknown): { container: string; key: string } {
  const named = /^\/blobServices\/default\/containers\/([^/]+)\/blobs\/(.+)$/s.exec(subject);
  const [, container = "", key = ""] = named ?? [];
  if (key === "") throw none(`its subject ${JSON.stringify(subject.slice(0, 300))} names no blob`);
  const path =
    typeof url === "string" ? /^https?:\/\/[^/?#]+\/([^?#]*)/i.exec(url)?.[1] : undefined;
  // Of a private cloud or an emulator the path begins with the account.
  const encoded = ["", "[^/]+/"].flatMap((account) => {
    const rest = new RegExp(`^${account}${escaped(container)}/(.+)$`, "s").exec(path ?? "");
    return rest?.[1] ?? [];
  });
  // The first folder may be called as the container is: then the subject tells what the path begins with.
  const one = encoded.find((name) => name === key || decoded(name) === key) ?? encoded[0];
  return { container, key: one === undefined ? key : (decoded(one) ?? key) };
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function escaped(text: string): string {
  return text.replaceAll(/[^a-z0-9-]/gi, String.raw`\$&`);
}

function parsed(text: string): unknown {
  const trimmed = text.trim();
  const isPlain = /^[[{]/.test(trimmed);
  try {
    return JSON.parse(isPlain ? trimmed : Buffer.from(trimmed, "base64").toString("utf8"));
  } catch {
    throw none("it is not JSON");
  }
}

function fieldsOf(value: unknown, what: string): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  throw none(`${what} is not an object of JSON`);
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function textOf(fields: Fields, name: string): string {
  const value = fields[name];
  if (isText(value)) return value;
  throw none(`it has no ${name}`);
}

function none(why: string): BindingError {
  return new BindingError("invalid_argument", `the message is no event of Event Grid: ${why}`);
}
