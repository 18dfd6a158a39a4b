import { BindingError } from "../../errors.ts";

/** What a mail says. */
export type Content = {
  readonly html?: Buffer | undefined;
  readonly text?: string | undefined;
  readonly headers: readonly MailHeader[];
  readonly attachments: readonly Attachment[];
};

export type MailHeader = { readonly key: string; readonly value: string };

export type Attachment = {
  readonly filename: string | undefined;
  readonly contentType: string;
  readonly content: Buffer;
  /** For `cid:` in the HTML. */
  readonly contentId: string | undefined;
};

type Json = { readonly [name: string]: unknown };

/** Headers that come from elsewhere, or that say how the mail is built. */
const ownHeaders =
  /^(from|sender|to|cc|bcc|subject|date|mime-version|x-priority|dkim-signature|return-path|received|(resent|content|arc)-.*)$/i;
const mediaType = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(; ?charset=[\w-]+)?$/;
/** What a header's line can have, its name and the colon included. */
const longestName = 76;

/** Reads the payload of `send`. Throws a `BindingError` that names the member that is wrong. */
export function parseContent(data: Uint8Array | undefined): Content {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(data ?? []).toString("utf8"));
  } catch {
    throw wrong("the data are no JSON");
  }
  const payload = objectOf(value, "the data", ["html", "text", "headers", "attachments"]);
  const html = textOf(payload["html"], "html");
  const text = textOf(payload["text"], "text");
  const attachments = listOf(payload["attachments"]).map(attachmentOf);
  if (html === undefined && text === undefined && attachments.length === 0)
    throw wrong("the data have neither html, text nor attachments");
  return {
    html: html === undefined ? undefined : Buffer.from(html),
    text,
    headers: headersOf(payload["headers"]),
    attachments,
  };
}

function headersOf(value: unknown): MailHeader[] {
  if (value === undefined) return [];
  return Object.entries(objectOf(value, "headers")).map(([key, text]) => {
    if (!/^[A-Za-z0-9-]+$/.test(key) || key.length > longestName)
      throw wrong("headers: a name has other characters than letters, digits and -, or over 76");
    if (ownHeaders.test(key)) throw wrong(`headers: ${key} cannot be set here`);
    if (typeof text !== "string" || /[\r\n\0]/.test(text))
      throw wrong(`headers: ${key} is no text, or has a line break`);
    return { key, value: text };
  });
}

function attachmentOf(value: unknown, index: number): Attachment {
  const place = `attachments[${index}]`;
  const { name, contentType, data, contentId } = objectOf(value, place, [
    ...["name", "contentType", "data", "contentId"],
  ]);
  const filename = textOf(name, `${place}.name`);
  // oxlint-disable-next-line no-control-regex -- they are what must not be there
  if (filename !== undefined && /[\0-\x1f\x7f]/.test(filename))
    throw wrong(`${place}.name has a line break or another control character`);
  const type = textOf(contentType, `${place}.contentType`) ?? "application/octet-stream";
  if (!mediaType.test(type) || /^(multipart|message)\//i.test(type))
    throw wrong(`${place}.contentType is no type such as application/pdf`);
  const id = textOf(contentId, `${place}.contentId`);
  if (id !== undefined && !/^[\w.+@-]{1,200}$/.test(id))
    throw wrong(`${place}.contentId has other characters than letters, digits, . _ + - @`);
  return { filename, contentType: type, content: bytesOf(data, `${place}.data`), contentId: id };
}

/** The bytes that base64 stands for. `Buffer.from` alone would skip over what is none. */
function bytesOf(value: unknown, place: string): Buffer {
  const text = textOf(value, place);
  if (text === undefined) throw wrong(`${place} is missing`);
  const bytes = Buffer.from(text, "base64");
  if (bytes.toString("base64").replaceAll("=", "") !== text.replace(/={1,2}$/, ""))
    throw wrong(`${place} is no base64`);
  return bytes;
}

function textOf(value: unknown, place: string): string | undefined {
  if (value === undefined || typeof value === "string") return value;
  throw wrong(`${place} is no text`);
}

function listOf(value: unknown): readonly unknown[] {
  if (value === undefined) return [];
  if (Array.isArray(value)) return value;
  throw wrong("attachments is no array");
}

function objectOf(value: unknown, place: string, members?: readonly string[]): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw wrong(`${place} must be a JSON object`);
  const unknown = Object.keys(value).find((name) => members?.includes(name) === false);
  if (unknown !== undefined)
    throw wrong(`${place}: ${JSON.stringify(unknown.slice(0, 80))} is not known`);
  return value as Json;
}

function wrong(problem: string): BindingError {
  return new BindingError("invalid_argument", `smtp binding error: ${problem}`);
}
