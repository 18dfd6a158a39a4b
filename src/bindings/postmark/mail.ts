import { BindingError } from "../../errors.ts";
import { isOneLine } from "../../text/one-line.ts";
import type { MailFields } from "./fields.ts";

/** A mail as `POST /email` takes it. */
export type Mail = {
  readonly From: string;
  readonly To: string;
  readonly Cc?: string;
  readonly Bcc?: string;
  readonly Subject: string;
  readonly HtmlBody: string;
};

/** What a call says, else the component. Throws a `BindingError` for what is missing or cannot be in a mail. */
export function mailOf(component: MailFields, request: MailFields, html: string | undefined): Mail {
  const given = (field: keyof MailFields): string => {
    const text = request[field] || component[field] || "";
    if (isOneLine(text)) return text;
    throw refused(`${field} has a line break or another control character`);
  };
  const required = (field: keyof MailFields, name: string): string => {
    const text = given(field);
    if (text === "") throw refused(`${name} not supplied`);
    return text;
  };
  const From = required("emailFrom", "from email");
  const To = required("emailTo", "to email");
  const Subject = required("subject", "subject");
  const [Cc, Bcc] = [given("emailCc"), given("emailBcc")];
  if (html === undefined) throw refused("data are no UTF-8; a mail is sent as text");
  return { From, To, ...(Cc && { Cc }), ...(Bcc && { Bcc }), Subject, HtmlBody: html };
}

function refused(why: string): BindingError {
  return new BindingError("invalid_argument", `error Postmark ${why}`);
}
