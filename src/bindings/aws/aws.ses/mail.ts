import { BindingError } from "../../../errors.ts";
import { isOneLine } from "../../../text/one-line.ts";
import { unquoted } from "../../../text/unquoted.ts";
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
  if (!isOneLine(mail.subject ?? ""))
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
    // The quotes of a text are Dapr's way to write it.
    "Message.Body.Html.Data": messageText(unquoted(data ?? new Uint8Array()), "SES"),
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
  if (isOneLine(address) && plain.test(named.exec(address)?.[1] ?? address)) return address;
  throw refused(`${field} ${JSON.stringify(address.slice(0, 320))} is no address`);
}

function refused(why: string): BindingError {
  return new BindingError("invalid_argument", `SES binding error: ${why}`, { effect: "unsent" });
}
