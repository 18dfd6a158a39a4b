import { bool, duration, integer, string } from "../../metadata/fields.ts";
import type { Values } from "../../metadata/fields.ts";

export const smtpFields = {
  host: string({
    description: "The mail server's name or address.",
    required: true,
    example: "smtp.example.com",
  }),
  port: integer({
    description:
      "Its port. 465: TLS from the start; otherwise STARTTLS where the server offers it.",
    required: true,
    min: 1,
    max: 65_535,
    example: "587",
  }),
  user: string({
    description:
      "The user to log in as, where the server offers that. With `password`, or neither.",
    example: "shop@example.com",
  }),
  password: string({ description: "The user's password.", sensitive: true }),
  skipTLSVerify: bool({
    description: "Take any certificate of the server. Its name and authority are then not checked.",
    default: "false",
  }),
  requireTLS: bool({
    description:
      "Send nothing over a connection that is not encrypted, where the server offers no STARTTLS too. Dapr has no such field.",
    default: "false",
  }),
  caCert: string({
    description:
      "The authority's certificate, PEM, in place of the well-known authorities. Dapr has no such field.",
  }),
  emailFrom: string({
    description: "The sender: `a@example.com` or `Name <a@example.com>`.",
    example: "shop@example.com",
  }),
  emailTo: string({
    description: "The recipients, separated by `;`.",
    example: "ann@example.com;Bob <bob@example.com>",
  }),
  emailCC: string({ description: "Recipients of a copy, separated by `;`." }),
  emailBCC: string({
    description: "Recipients of a copy that the others do not see, separated by `;`.",
  }),
  subject: string({ description: "The subject.", example: "Your order" }),
  priority: string({
    description: "The header `X-Priority`, from 1 (highest) to 5 (lowest). Default: 3.",
    example: "1",
  }),
  allowPartial: bool({
    description:
      "Send the mail to the recipients that the server takes when it refuses others, and name those in the answer. Off: one that is refused stops the mail. Dapr has no such field.",
    default: "false",
  }),
  dkimDomain: string({
    description:
      "The domain that signs the mail (DKIM); with `dkimSelector` and `dkimPrivateKey`. Dapr has no such field.",
    example: "example.com",
  }),
  dkimSelector: string({
    description: "The selector under which the domain publishes the key. Dapr has no such field.",
    example: "mail2026",
  }),
  dkimPrivateKey: string({
    description: "The RSA key to sign with, PEM. Dapr has no such field.",
    sensitive: true,
  }),
  timeout: duration({
    description: "How long one mail may take, connecting included. Dapr has no such field.",
    default: "5m",
    positive: true,
  }),
  maxConnections: integer({
    description:
      "The most connections to the server; each carries one mail. Further calls wait, within `timeout`. Dapr has no such field.",
    default: "16",
    min: 1,
    max: 1024,
  }),
};

export type SmtpMetadata = Values<typeof smtpFields>;

/** What each call may say itself, in place of the component. Empty: the component's. */
export const mailFields = {
  emailFrom: string({ description: "The sender, in place of the component's." }),
  emailTo: string({ description: "The recipients, in place of the component's." }),
  emailCC: string({ description: "Recipients of a copy, in place of the component's." }),
  emailBCC: string({ description: "Recipients of a hidden copy, in place of the component's." }),
  subject: string({ description: "The subject, in place of the component's." }),
  priority: string({ description: "The priority, in place of the component's.", example: "1" }),
};

export type MailRequest = Values<typeof mailFields>;
