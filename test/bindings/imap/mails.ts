import { ImapFlow } from "imapflow";
import { onTestFinished } from "vitest";
import type { AnyBinding, InboundEvent, Reading } from "../../../src/binding.ts";
import imap from "../../../src/bindings/imap/index.ts";
import type { Outcome } from "../../../src/runtime/app.ts";
import { imapPassword } from "../../servers/dovecot.ts";
import { uniqueName } from "../../servers/unique-name.ts";
import { read } from "../contract.ts";

export type Address = { readonly host: string; readonly port: number };

/** A client of the test's own. */
export async function connectMail(
  { host, port }: Address,
  user: string,
  pass = imapPassword,
): Promise<ImapFlow> {
  const client = new ImapFlow({
    ...{ host, port, auth: { user, pass }, logger: false as const, secure: false },
    ...{ doSTARTTLS: false, disableAutoIdle: true },
  });
  client.on("error", () => undefined);
  await client.connect();
  return client;
}

/** A mail with one attachment. */
export function mailOf(data: Uint8Array, more: readonly string[] = []): Buffer {
  const lines = [
    ...["From: Shop <shop@example.com>", "To: b@example.com", "Subject: order", ...more],
    ...["MIME-Version: 1.0", "Content-Type: application/octet-stream", ""],
  ];
  lines.splice(-1, 0, "Content-Transfer-Encoding: base64", "Content-Disposition: attachment");
  const body = Buffer.from(data).toString("base64").replaceAll(/.{76}/g, "$&\r\n");
  return Buffer.from(`${lines.join("\r\n")}\r\n${body}\r\n`);
}

export function propertiesOf({ host, port }: Address, user: string): Record<string, string> {
  return {
    ...{ host, port: String(port), tls: "none", username: user, password: imapPassword },
    pollInterval: "5s",
  };
}

/** A runtime that reads the user's INBOX, unless said otherwise. */
export async function begin(
  server: Address,
  user: string,
  more: Record<string, string> = {},
  answer?: (text: string) => Outcome | Promise<Outcome>,
) {
  return read(
    { binding: imap },
    { properties: { ...propertiesOf(server, user), ...more } },
    answer,
  );
}

/** A client until the end of the test, and the flags that messages have. */
export async function mailbox(server: Address, user: string) {
  const client = await connectMail(server, user);
  onTestFinished(() => client.close());
  const flags = async (path = "INBOX"): Promise<string[][]> => {
    await client.mailboxOpen(path);
    const messages = await client.fetchAll("1:*", { flags: true });
    return messages.map((one) => [...(one.flags ?? [])].filter((flag) => flag !== "\\Recent"));
  };
  return { client, flags };
}

export const aUser = (): string => uniqueName("user").toLowerCase();

/** The binding, whose events are what is attached to their mails: they can be any bytes. */
export const imapOfAttachments: AnyBinding = {
  ...imap,
  read: (mailbox: Parameters<NonNullable<typeof imap.read>>[0], reading: ImapReading) => {
    if (imap.read === undefined) throw new Error("no input");
    const deliver: ImapReading["deliver"] = (events, source) =>
      reading.deliver(events.map(attached), source);
    return imap.read(mailbox, { ...reading, deliver });
  },
};

type ImapReading = Reading<typeof imap.metadata>;

function attached(event: InboundEvent): InboundEvent {
  const mail = JSON.parse(Buffer.from(event.data ?? []).toString()) as {
    attachments: { content: string }[];
  };
  return { ...event, data: Buffer.from(mail.attachments[0]?.content ?? "", "base64") };
}
