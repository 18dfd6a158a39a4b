import { bool, byteSize, duration, integer, list, oneOf, string } from "../../metadata/fields.ts";
import { pemOrFileFields } from "../../metadata/tls-fields.ts";
import type { Values } from "../../metadata/fields.ts";

/** The metadata of a component that reads a mailbox. Dapr has no such type. */
export const imapFields = {
  host: string({
    description: "The IMAP server.",
    required: true,
    example: "imap.example.com",
  }),
  port: integer({
    description: "The server's port. Default: 993 with `tls: implicit`, else 143.",
    min: 1,
    max: 65_535,
  }),
  tls: oneOf(["implicit", "starttls", "none"], {
    description:
      "`implicit`: TLS from the first byte. `starttls`: TLS after the greeting, required. `none`: no TLS.",
    default: "implicit",
  }),
  username: string({ description: "The user's name.", required: true, example: "orders" }),
  authType: oneOf(["password", "oidc"], {
    description:
      "`password`: LOGIN or SASL PLAIN. `oidc`: XOAUTH2 or OAUTHBEARER with a token that is fetched by client credentials.",
    default: "password",
  }),
  password: string({ description: "The user's password.", sensitive: true }),
  oidcTokenEndpoint: string({
    description: "The URL of the token server. For `authType: oidc`.",
    example: "https://login.example.com/token",
  }),
  oidcClientID: string({ description: "The client's ID. For `authType: oidc`." }),
  oidcClientSecret: string({
    description: "The client's secret. For `authType: oidc`.",
    sensitive: true,
  }),
  oidcScopes: list({
    description: "The scopes to ask for, separated by commas. For `authType: oidc`.",
    default: "",
  }),
  mailbox: string({
    description: "The mailbox to read, with the server's own separator.",
    default: "INBOX",
    example: "Orders/New",
  }),
  onHandled: oneOf(["seen", "flag", "move"], {
    description:
      "What becomes of a message once it is handled, and which messages are read: `seen` sets `\\Seen`, and unseen ones are read; `flag` sets `flag`, and those without it are read; `move` moves it to `moveTo`, and all are read.",
    default: "seen",
  }),
  flag: string({
    description: "The keyword or system flag of `onHandled: flag`.",
    example: "$Handled",
  }),
  moveTo: string({
    description: "The mailbox of `onHandled: move`. It must exist.",
    example: "Orders/Done",
  }),
  from: string({ description: "Reads only messages whose `From` contains this text." }),
  to: string({ description: "Reads only messages whose `To` contains this text." }),
  subject: string({ description: "Reads only messages whose subject contains this text." }),
  format: oneOf(["json", "raw"], {
    description:
      "The data of an event: `json` has headers, texts and attachments; `raw` is the message as it is (RFC 822).",
    default: "json",
  }),
  maxMessageSize: byteSize({
    description:
      "The maximum size of a message. A larger one is left as it is, and the component's state says so.",
    default: "16Mi",
  }),
  idle: bool({
    description: "Uses IDLE where the server has it, so that new messages come at once.",
    default: "true",
  }),
  pollInterval: duration({
    description: "How often the mailbox is searched without a notice of the server.",
    default: "30s",
    positive: true,
  }),
  ...pemOrFileFields,
  skipTLSVerify: bool({
    description: "Accepts any certificate of the server.",
    default: "false",
  }),
} as const;

/** A component's metadata as its binding reads it. */
export type ImapMetadata = Values<typeof imapFields>;
