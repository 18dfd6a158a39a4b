import { BindingError } from "../../errors.ts";
import { goUnquote } from "../../text/go-unquote.ts";
import { parseMailbox, parseMailboxes } from "./addresses.ts";
import type { Mailbox } from "./addresses.ts";
import type { MailRequest, SmtpMetadata } from "./fields.ts";
import type { Content } from "./payload.ts";

/** A mail, checked: nothing in it can end a header or a command. */
export type Mail = {
  readonly from: Mailbox;
  readonly to: readonly Mailbox[];
  readonly cc: readonly Mailbox[];
  readonly bcc: readonly Mailbox[];
  readonly subject: string;
  readonly priority: number;
  readonly content: Content;
};

/** Puts the call's own fields over the component's, for this call alone. Throws a `BindingError` for what is missing or wrong. */
export function mailOf(metadata: SmtpMetadata, request: MailRequest, content: Content): Mail {
  const given = (field: "emailFrom" | "emailTo" | "emailCC" | "emailBCC" | "subject"): string =>
    request[field] || metadata[field] || "";
  for (const field of ["emailFrom", "emailTo", "subject"] as const)
    if (given(field).trim() === "")
      throw new BindingError(
        "invalid_argument",
        `smtp binding error: ${field} property not supplied in configuration- or request-metadata`,
      );
  const subject = given("subject");
  if (/[\r\n\0]/.test(subject))
    throw new BindingError("invalid_argument", "smtp binding error: subject: has a line break");
  const mail = {
    from: parseMailbox("emailFrom", given("emailFrom")),
    to: parseMailboxes("emailTo", given("emailTo")),
    cc: parseMailboxes("emailCC", given("emailCC")),
    bcc: parseMailboxes("emailBCC", given("emailBCC")),
    subject,
    priority: parsePriority(request.priority ?? metadata.priority ?? ""),
    content,
  };
  if (mail.to.length === 0)
    throw new BindingError("invalid_argument", "smtp binding error: emailTo: names no recipient");
  return mail;
}

/** Empty: 3, as in Dapr. */
export function parsePriority(text: string): number {
  if (text === "") return 3;
  const value = /^[+-]?\d+$/.test(text) ? Number(text) : NaN;
  if (value >= 1 && value <= 5) return value;
  throw new BindingError(
    "invalid_argument",
    "smtp binding error: priority value must be between 1 (highest) and 5 (lowest)",
  );
}

/**
 * The HTML of a `create`: the bytes as they are, and without their quotes where they are a quoted Go text, as in Dapr.
 * Over HTTP a text can only be written as a JSON string, and other JSON is its text.
 */
export function htmlOf(data: Uint8Array | undefined, encoding: "bytes" | "json"): Buffer {
  if (data === undefined) return Buffer.alloc(0);
  if (encoding === "json") {
    const text = Buffer.from(data).toString("utf8");
    const value: unknown = text.trimStart().startsWith('"') ? JSON.parse(text) : undefined;
    return Buffer.from(typeof value === "string" ? value : text);
  }
  return Buffer.from(goUnquote(data) ?? data);
}
