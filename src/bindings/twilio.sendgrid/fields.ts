import { string } from "../../metadata/fields.ts";
import type { Values } from "../../metadata/fields.ts";
import { caCertField } from "../../metadata/tls-fields.ts";

/** What a component sets for all of its mails, and a call for its own. */
export const mailFields = {
  emailFrom: string({
    description: "The sender's address, which SendGrid has verified.",
    example: "shop@example.com",
  }),
  emailFromName: string({ description: "The sender's name.", example: "The Shop" }),
  emailTo: string({ description: "The recipient's address.", example: "ann@example.com" }),
  emailToName: string({ description: "The recipient's name.", example: "Ann" }),
  subject: string({ description: "The subject.", example: "Your order" }),
  emailCc: string({ description: "The address that gets a copy." }),
  emailBcc: string({ description: "The address that gets a copy which the others do not see." }),
  dynamicTemplateId: string({
    description: "The id of a dynamic template, which makes the mail.",
    example: "d-0123456789abcdef0123456789abcdef",
  }),
  dynamicTemplateData: string({
    description: "What the template is filled with: a JSON object.",
    example: '{"name": "Ann"}',
  }),
} as const;

export const sendgridFields = {
  apiKey: string({
    description: "An API key with the permission Mail Send.",
    required: true,
    sensitive: true,
  }),
  ...mailFields,
  apiUrl: string({
    description: "The address of SendGrid's API, for a region or a test. Dapr has no such field.",
    default: "https://api.sendgrid.com",
    example: "https://api.eu.sendgrid.com",
  }),
  ...caCertField,
} as const;

export type MailFields = Values<typeof mailFields>;
