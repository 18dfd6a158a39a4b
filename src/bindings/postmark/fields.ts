import { string } from "../../metadata/fields.ts";
import type { Values } from "../../metadata/fields.ts";
import { caCertField } from "../../metadata/tls-fields.ts";

/** What a component sets for all of its mails, and a call for its own. */
export const mailFields = {
  emailFrom: string({
    description: "The sender, whose address or domain Postmark has verified.",
    example: "The Shop <shop@example.com>",
  }),
  emailTo: string({
    description: "The recipients, separated by commas.",
    example: "ann@example.com, bob@example.com",
  }),
  subject: string({ description: "The subject.", example: "Your order" }),
  emailCc: string({ description: "The recipients of copies, separated by commas." }),
  emailBcc: string({
    description: "The recipients of copies that the others do not see, separated by commas.",
  }),
} as const;

export const postmarkFields = {
  serverToken: string({
    description: "The token of the Postmark server that sends.",
    required: true,
    sensitive: true,
  }),
  accountToken: string({
    description: "The token of the account, which is not used. Dapr requires it.",
    sensitive: true,
  }),
  ...mailFields,
  apiUrl: string({
    description: "The address of Postmark's API, for a test. Dapr has no such field.",
    default: "https://api.postmarkapp.com",
  }),
  ...caCertField,
} as const;

export type MailFields = Values<typeof mailFields>;
