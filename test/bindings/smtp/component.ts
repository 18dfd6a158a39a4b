import { onTestFinished } from "vitest";
import smtp from "../../../src/bindings/smtp/index.ts";
import { openOutput } from "../opened-output.ts";
import type { OpenedOutput } from "../opened-output.ts";
import { parseMail } from "./mail-server.ts";
import type { MailServer, Part } from "./mail-server.ts";

/** An open component that sends from shop@example.com to ann@example.com, unless the test says otherwise. */
export async function openSmtp(
  port: number,
  properties: Record<string, string> = {},
): Promise<OpenedOutput> {
  const output = await openOutput(smtp, {
    host: "127.0.0.1",
    port: String(port),
    emailFrom: "shop@example.com",
    emailTo: "ann@example.com",
    subject: "Hello",
    ...properties,
  });
  onTestFinished(() => output[Symbol.asyncDispose]());
  return output;
}

/** The only mail that came. */
export function onlyMail(server: MailServer): Part {
  const [first, ...more] = server.received;
  if (first === undefined || more.length > 0)
    throw new Error(`${server.received.length} mails came`);
  return parseMail(first.raw);
}
