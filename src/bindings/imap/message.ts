import type PostalMime from "postal-mime";
import type { Email } from "postal-mime";
import { messageOf } from "../../errors.ts";
import type { Header } from "../../binding.ts";

export type MailParser = typeof PostalMime;

/** What a message is as an event. */
export type ParsedMessage = {
  readonly data: Buffer;
  readonly metadata: Readonly<Record<string, string>>;
};

/** The most characters of a text in an event's metadata. */
const longestText = 1000;

/**
 * Writes a message as JSON. One that cannot be read as MIME has `raw` and `problem` in place of texts and
 * attachments, so that it can be handled all the same.
 */
export async function parseMessage(parser: MailParser, source: Buffer): Promise<ParsedMessage> {
  let mail: Email;
  try {
    mail = await parser.parse(source, {
      attachmentEncoding: "base64",
      forceRfc822Attachments: true,
      maxHeadersSize: 1024 * 1024,
    });
  } catch (error) {
    const json = { raw: source.toString("base64"), problem: messageOf(error) };
    return { data: Buffer.from(JSON.stringify(json)), metadata: {} };
  }
  const { messageId, subject, date, from, sender, replyTo, to, cc, bcc } = mail;
  const { inReplyTo, references, text, html, headers, attachments } = mail;
  const json = {
    ...{ messageId, subject, date, from, sender, replyTo, to, cc, bcc },
    ...{ inReplyTo, references, text, html },
    headers: headers.map(({ originalKey: name, value }) => ({ name, value })),
    attachments: attachments.map((attachment) => ({
      filename: attachment.filename ?? undefined,
      contentType: attachment.mimeType,
      disposition: attachment.disposition ?? undefined,
      contentId: attachment.contentId,
      content: base64Of(attachment.content),
    })),
  };
  return { data: Buffer.from(JSON.stringify(json)), metadata: named({ messageId, subject, date }) };
}

function base64Of(content: ArrayBuffer | Uint8Array | string): string {
  if (typeof content === "string") return content;
  return Buffer.from(content instanceof Uint8Array ? content : new Uint8Array(content)).toString(
    "base64",
  );
}

/** What is decoded may have line breaks, which metadata should not. */
function named(texts: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const metadata: Record<string, string> = {};
  for (const [name, text] of Object.entries(texts)) {
    if (!text) continue;
    const line = text.slice(0, longestText).toWellFormed();
    // oxlint-disable-next-line no-control-regex -- they are what is replaced
    metadata[name] = line.replaceAll(/[\0-\x1f\x7f]+/g, " ");
  }
  return metadata;
}

/** The headers of a message as they stand in it, repeats kept, lines that were folded in one. */
export function headersOf(source: Buffer): Header[] {
  const headers: Header[] = [];
  let lines: Buffer[] = [];
  const put = (): void => {
    const line = Buffer.concat(lines);
    lines = [];
    const colon = line.indexOf(0x3a);
    if (colon <= 0) return;
    const name = line.toString("latin1", 0, colon).trim();
    if (!/^[!-9;-~]+$/.test(name)) return;
    headers.push({ name, value: trimmed(line.subarray(colon + 1)) });
  };
  for (let at = 0; at < source.length;) {
    const found = source.indexOf(0x0a, at);
    const next = found === -1 ? source.length : found + 1;
    let end = found === -1 ? source.length : found;
    if (source[end - 1] === 0x0d && end > at) end--;
    if (end === at) break;
    const isFolded = source[at] === 0x20 || source[at] === 0x09;
    if (!isFolded) put();
    lines.push(source.subarray(at, end));
    at = next;
  }
  put();
  return headers;
}

function trimmed(bytes: Buffer): Buffer {
  let from = 0;
  let to = bytes.length;
  while (from < to && (bytes[from] === 0x20 || bytes[from] === 0x09)) from++;
  while (to > from && (bytes[to - 1] === 0x20 || bytes[to - 1] === 0x09)) to--;
  return Buffer.from(bytes.subarray(from, to));
}
