import { BindingError, messageOf } from "../../errors.ts";
import { isObject } from "../../http-client/service-client.ts";
import { isOneLine } from "../../text/one-line.ts";
import type { MailFields } from "./fields.ts";

type Address = { readonly email: string; readonly name?: string };

/** A mail as `POST /v3/mail/send` takes it. */
export type Mail = {
  readonly from: Address;
  readonly personalizations: readonly [
    {
      readonly to: readonly [Address];
      readonly cc?: readonly [Address];
      readonly bcc?: readonly [Address];
      readonly subject: string;
      readonly dynamic_template_data?: Readonly<Record<string, unknown>>;
    },
  ];
  readonly content?: readonly [{ readonly type: "text/html"; readonly value: string }];
  readonly template_id?: string;
};

/** What a call says, else the component. Throws a `BindingError` for what is missing or cannot be in a mail. */
export function mailOf(component: MailFields, request: MailFields, html: string | undefined): Mail {
  const from = addressOf(component, request, "emailFrom", "emailFromName");
  if (from === undefined) throw refused("error SendGrid from email not supplied");
  const to = addressOf(component, request, "emailTo", "emailToName");
  if (to === undefined) throw refused("error SendGrid to email not supplied");
  const subject = line("subject", request.subject || component.subject);
  if (!subject) throw refused("error SendGrid subject not supplied");
  if (html === undefined) throw refused("error SendGrid data are no UTF-8; a mail is sent as text");
  const cc = addressOf(component, request, "emailCc");
  const bcc = addressOf(component, request, "emailBcc");
  const template = request.dynamicTemplateId || component.dynamicTemplateId;
  const data = templateDataOf(request.dynamicTemplateData || component.dynamicTemplateData);
  const recipients = { to: [to] as const, ...(cc && { cc: [cc] as const }) };
  return {
    from,
    personalizations: [
      {
        ...recipients,
        ...(bcc && { bcc: [bcc] as const }),
        subject,
        ...(data && { dynamic_template_data: data }),
      },
    ],
    // SendGrid takes no empty one; a template may be all there is.
    ...(html === "" && template ? {} : { content: [{ type: "text/html", value: html }] as const }),
    ...(template ? { template_id: template } : {}),
  };
}

/** The object of a field `dynamicTemplateData`. Throws a `BindingError` for a text that is none. */
export function templateDataOf(
  text: string | undefined,
): Readonly<Record<string, unknown>> | undefined {
  if (!text) return undefined;
  const wrong = "error from SendGrid binding, dynamic template data is not valid JSON: ";
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw refused(wrong + messageOf(error));
  }
  if (value === null) return undefined;
  if (isObject(value)) return value;
  throw refused(`${wrong}it is no object`);
}

/** The name of the component belongs to the address of the component. */
function addressOf(
  component: MailFields,
  request: MailFields,
  field: "emailFrom" | "emailTo" | "emailCc" | "emailBcc",
  nameField?: "emailFromName" | "emailToName",
): Address | undefined {
  const source = request[field] ? request : component;
  const email = line(field, source[field]);
  if (!email) return undefined;
  const name = nameField === undefined ? undefined : line(nameField, source[nameField]);
  return name ? { email, name } : { email };
}

function line(field: string, text: string | undefined): string | undefined {
  if (text === undefined || isOneLine(text)) return text;
  throw refused(`error SendGrid ${field} has a line break or another control character`);
}

function refused(why: string): BindingError {
  return new BindingError("invalid_argument", why);
}
