import type DKIMClass from "nodemailer/lib/dkim";
import type MailComposerClass from "nodemailer/lib/mail-composer";
import { defineBinding } from "../../binding.ts";
import type { Answer } from "../../binding.ts";
import { BindingError } from "../../errors.ts";
import { longestTimer } from "../../metadata/duration.ts";
import { compose, signerOf } from "./compose.ts";
import { Courier } from "./delivery.ts";
import type { ConnectionClass } from "./delivery.ts";
import { mailFields, smtpFields } from "./fields.ts";
import type { MailRequest, SmtpMetadata } from "./fields.ts";
import { htmlOf, mailOf, parsePriority } from "./mail.ts";
import { parseContent } from "./payload.ts";
import type { Content } from "./payload.ts";

type Sent = { readonly messageId: string; readonly refused: readonly string[] };

/** Sends mails through a mail server. */
export default defineBinding({
  name: "smtp",
  status: "beta",
  summary: "Sends mails through an SMTP server.",
  provedBy: [{ system: "smtp-server", kind: "real" }],
  drivers: { nodemailer: "10.6.1" },

  metadata: smtpFields,

  async open({ metadata, notice, driver }) {
    check(metadata);
    const MailComposer = driver("nodemailer", "lib/mail-composer") as typeof MailComposerClass;
    const SMTPConnection = driver("nodemailer", "lib/smtp-connection") as ConnectionClass;
    const DKIM = driver("nodemailer", "lib/dkim") as typeof DKIMClass;
    const sign = signerOf({ MailComposer, DKIM }, metadata);
    const courier = new Courier(SMTPConnection, metadata);
    if (metadata.skipTLSVerify)
      notice(
        "the server's certificate is not checked (skipTLSVerify), so any server may pose as it",
      );
    return {
      send: async (request: MailRequest, content: Content, signal: AbortSignal): Promise<Sent> => {
        const mail = mailOf(metadata, request, content);
        const { bytes, messageId } = await compose({ MailComposer, DKIM }, mail, sign);
        const to = [...mail.to, ...mail.cc, ...mail.bcc].map(({ address }) => address);
        const envelope = { from: mail.from.address, to: [...new Set(to)] };
        const limit = AbortSignal.timeout(Math.min(metadata.timeout, longestTimer));
        const refused = await courier.deliver(bytes, envelope, AbortSignal.any([signal, limit]));
        return { messageId, refused };
      },
      courier,
      [Symbol.asyncDispose]: () => courier[Symbol.asyncDispose](),
    };
  },

  async examine({ courier }, { metadata, signal, ask, omit }) {
    omit("exists");
    if (!metadata.user) omit("authenticated");
    let failure: BindingError | undefined;
    await ask("reachable", `${metadata.host}:${metadata.port}`, async () => {
      try {
        await courier.examine(signal);
      } catch (error) {
        failure = BindingError.from(error, "unavailable", "unsent");
        if (failure.reason !== "unauthenticated") throw failure;
      }
    });
    if (metadata.user)
      await ask("authenticated", "", () => {
        if (failure !== undefined) throw failure;
      });
  },

  operations: {
    create: {
      description:
        "Sends the data as one HTML mail. With `allowPartial`, `refusedRecipients` in the answer names those that the server refused, with its words.",
      request: mailFields,
      answerMetadata: {
        refusedRecipients: "The recipients that the server refused, separated by semicolons.",
      },
      async invoke({ send }, { data, encoding, request, signal }) {
        const html = htmlOf(data, encoding);
        const { refused } = await send(request, { html, headers: [], attachments: [] }, signal);
        // Without any, Dapr's answer: none.
        return refused.length > 0 ? answerOf(refused) : undefined;
      },
    },
    send: {
      description:
        "Sends a mail with text, HTML, headers and attachments, given as JSON. Dapr has no such operation. The answer has `messageId`, and `refusedRecipients` as `create`.",
      request: mailFields,
      answerMetadata: {
        messageId: "The mail's `Message-ID`.",
        refusedRecipients: "The recipients that the server refused, separated by semicolons.",
      },
      async invoke({ send }, { data, request, signal }) {
        const { messageId, refused } = await send(request, parseContent(data), signal);
        return { metadata: { messageId, ...answerOf(refused).metadata } };
      },
    },
  },
});

function answerOf(refused: readonly string[]): Answer & { metadata: Record<string, string> } {
  return { metadata: refused.length === 0 ? {} : { refusedRecipients: refused.join("; ") } };
}

function check(metadata: SmtpMetadata): void {
  const { user, password, priority, caCert } = metadata;
  const invalid = (problem: string): BindingError =>
    new BindingError("invalid_argument", `smtp binding error: ${problem}`);
  if (!user !== !password) throw invalid("user and password go together: give both or neither");
  if (`${user ?? ""}${password ?? ""}`.includes("\0"))
    throw invalid("user and password must be texts without NUL");
  if (caCert && !caCert.includes("-----BEGIN CERTIFICATE-----"))
    throw invalid("caCert is no certificate in PEM");
  parsePriority(priority ?? "");
}
