import { string } from "../../../metadata/fields.ts";
import type { Values } from "../../../metadata/fields.ts";
import { awsFields, regionField } from "../fields.ts";

/** What a component sets for all of its mails, and a call for its own. */
const mailFields = {
  emailFrom: string({
    description: "The sender, whose address or domain SES has verified.",
    example: "shop@example.com",
  }),
  emailTo: string({
    description: "The recipients, separated by `;`.",
    example: "ann@example.com;bob@example.com",
  }),
  emailCc: string({ description: "The recipients of copies, separated by `;`." }),
  emailBcc: string({
    description: "The recipients of copies that the others do not see, separated by `;`.",
  }),
  subject: string({ description: "The subject.", example: "Your order" }),
} as const;

export const sesFields = { ...mailFields, ...regionField, ...awsFields } as const;
export const createFields = mailFields;

export type MailFields = Values<typeof mailFields>;
export type MailField = keyof MailFields;
export const mailFieldNames = Object.keys(mailFields) as MailField[];
