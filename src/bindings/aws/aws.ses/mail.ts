import { BindingError } from "../../../errors.ts";
import { goUnquote } from "../../../text/go-unquote.ts";
import { messageText } from "../message-text.ts";
import { mailFieldNames } from "./fields.ts";
import type { MailField, MailFields } from "./fields.ts";

const plain = /^[^\s<>@,;:"()[\]\\]+@[^\s<>@,;:"()[\]\\]+$/;
const named = /^(?:"(?:[^"\\]|\\.)*"|[^"<>,;:@()[\]\\]*)\s*<([^<>]+)>$/;
const lists = { ToAddresses: "emailTo", CcAddresses: "emailCc", BccAddresses: "emailBcc" } as const;

/**
 * The parameters of SendEmail: what the call says, else the component. `properties`: the call's metadata, whose names
 * Dapr takes in any case. Throws a `BindingError`.
 */
export function mailOf(
  component: MailFields,
  properties: Readonly<Record<string, string>>,
  data: Uint8Array | undefined,
): Record<string, string> {
  const mail = merged(component, properties);
  for (const name of ["emailFrom", "emailTo", "subject"] as const) {
    if (mail[name]) continue;
    throw refused(`${name} property not supplied in configuration- or request-metadata`);
  }
  // It becomes a line of the mail's head.
  // oxlint-disable-next-line no-control-regex -- the very characters that are refused
  if (/[\x00-\x1f\x7f\u0085\u2028\u2029]/.test(mail.subject ?? ""))
    throw refused("subject has a line break or another control character");
  const recipients = Object.entries(lists).flatMap(([list, name]) =>
    addressesOf(mail, name).map(
      (address, at) => [`Destination.${list}.member.${at + 1}`, address] as const,
    ),
  );
  if (addressesOf(mail, "emailTo").length === 0) throw refused("emailTo names nobody");
  return {
    Source: checked("emailFrom", mail.emailFrom?.trim() ?? ""),
    ...Object.fromEntries(recipients),
    "Message.Subject.Data": mail.subject ?? "",
    "Message.Subject.Charset": "UTF-8",
    "Message.Body.Html.Data": bodyOf(data),
    "Message.Body.Html.Charset": "UTF-8",
  };
}

function merged(component: MailFields, properties: Readonly<Record<string, string>>) {
  const mail: { [Name in MailField]?: string | undefined } = {};
  for (const name of mailFieldNames) mail[name] = component[name];
  for (const [written, value] of Object.entries(properties)) {
    const name = mailFieldNames.find((one) => one.toLowerCase() === written.toLowerCase());
    if (name !== undefined) mail[name] = value;
  }
  return mail;
}

function addressesOf(
  mail: { readonly [Name in MailField]?: string | undefined },
  name: "emailTo" | "emailCc" | "emailBcc",
): string[] {
  return (mail[name] ?? "")
    .split(";")
    .map((one) => one.trim())
    .filter((one) => one !== "")
    .map((one) => checked(name, one));
}

/** An address, perhaps with a name: nothing that SES could take for several, or for another line. */
function checked(field: MailField, address: string): string {
  // oxlint-disable-next-line no-control-regex -- the very characters that are refused
  const isSafe = !/[\x00-\x1f\x7f\u0085\u2028\u2029]/.test(address) && address.isWellFormed();
  if (isSafe && plain.test(named.exec(address)?.[1] ?? address)) return address;
  throw refused(`${field} ${JSON.stringify(address.slice(0, 320))} is no address`);
}

/** The HTML: a Go or JSON text without its quotes, as Dapr wants it, or the data as they are. */
function bodyOf(data: Uint8Array | undefined): string {
  const bytes = data ?? new Uint8Array();
  const unquoted = goUnquote(bytes);
  if (unquoted !== undefined) return messageText(unquoted, "SES");
  const text = messageText(bytes, "SES");
  if (!/^\s*"/.test(text)) return text;
  try {
    const value: unknown = JSON.parse(text);
    // What JSON allows and Go does not: `\/`, and two escapes for one character.
    if (typeof value === "string") return messageText(Buffer.from(value), "SES");
  } catch (error) {
    if (error instanceof BindingError) throw error;
  }
  return text;
}

function refused(why: string): BindingError {
  return new BindingError("invalid_argument", `SES binding error: ${why}`, { effect: "unsent" });
}
