import { defineBinding } from "../../binding.ts";
import { problemsOf } from "../../check-settings.ts";
import type { ImapConnection, ImapDriver } from "./connection.ts";
import { imapFields } from "./fields.ts";
import type { Mailbox } from "./mailbox-reader.ts";
import type { MailParser } from "./message.ts";

/** Calls the app for each new message of a mailbox. */
export default defineBinding({
  name: "imap",
  status: "beta",
  summary: "Calls the app for each new message of a mailbox, and marks or moves handled ones.",
  provedBy: [{ system: "Dovecot", kind: "real" }],
  drivers: { imapflow: "2.10.2", "postal-mime": "4.0.0" },
  metadata: imapFields,
  example: {
    password: "my-password",
  },

  async check(metadata) {
    const { logInOf, searchOf } = await import("./settings.ts");
    return problemsOf([() => searchOf(metadata), () => logInOf(metadata)]);
  },

  async open({ metadata, driver, signal, hide, lost }): Promise<Mailbox & AsyncDisposable> {
    const { connectionOptions, logInOf, searchOf } = await import("./settings.ts");
    const { ImapConnection } = await import("./connection.ts");
    const search = searchOf(metadata);
    const logIn = logInOf(metadata, hide);
    const imapflow = driver("imapflow") as ImapDriver;
    const parser = driver("postal-mime") as MailParser;
    const options = { ...(await connectionOptions(metadata)), auth: await logIn() };
    const connection = await ImapConnection.open(imapflow, options, signal, lost);
    return {
      ...{ connection, parser, search },
      [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose](),
    };
  },

  eventMetadata: {
    mailbox: "The mailbox.",
    uid: "The message's UID.",
    uidValidity: "What its UID is valid with.",
    size: "Its size in bytes.",
    receivedAt: "When the server received it.",
    messageId: "Its `Message-ID`.",
    subject: "Its subject.",
    date: "When it was sent.",
  },

  guarantee: {
    returned: "stays in the mailbox as it is",
    atLeastOnce: "the message stays in the mailbox, and nobody else marks it",
    shared: false,
    duplicates: {
      app: "what the app has: `maxInFlight` (64)",
      runtime: "what the app has, and handled messages that were not marked yet (64)",
      server: "the same",
    },
  },

  async read(mailbox, reading) {
    const { MailboxReader } = await import("./mailbox-reader.ts");
    return MailboxReader.begin(mailbox, reading);
  },

  ping: ({ connection }: { readonly connection: ImapConnection }, signal) =>
    connection.ping(signal),

  async examine({ connection, search }: Mailbox, { metadata, ask }): Promise<void> {
    const { countMessages } = await import("./count-messages.ts");
    // The connection is logged in.
    await ask("authenticated", "", () => {});
    await ask("exists", `mailbox ${metadata.mailbox}`, async () => {
      const count = await countMessages(connection.client, metadata.mailbox, search);
      return `${count} messages wait`;
    });
  },

  backlog: async ({ connection }) => connection.backlog,

  async totalBacklog({ connection, search }: Mailbox, { metadata }): Promise<number> {
    const { countMessages } = await import("./count-messages.ts");
    return countMessages(connection.client, metadata.mailbox, search);
  },
});
