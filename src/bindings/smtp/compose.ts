import { createPrivateKey } from "node:crypto";
import { buffer } from "node:stream/consumers";
import type MailComposer from "nodemailer/lib/mail-composer";
import type DKIM from "nodemailer/lib/dkim";
import { BindingError } from "../../errors.ts";
import type { SmtpMetadata } from "./fields.ts";
import type { Mail } from "./mail.ts";

export type ComposingDriver = {
  readonly MailComposer: typeof MailComposer;
  readonly DKIM: typeof DKIM;
};

export type Composed = { readonly bytes: Buffer; readonly messageId: string };

/** Signs the whole of a mail. */
export type Signer = (bytes: Buffer) => Promise<Buffer>;

/** Writes a mail as MIME. The driver is given bytes only, and may neither read files nor fetch URLs. */
export async function compose(
  driver: ComposingDriver,
  mail: Mail,
  sign: Signer | undefined,
): Promise<Composed> {
  const { from, to, cc, subject, priority, content } = mail;
  const node = new driver.MailComposer({
    from,
    to: [...to],
    // No Bcc: those recipients are in the envelope alone.
    ...(cc.length === 0 ? {} : { cc: [...cc] }),
    subject,
    headers: [{ key: "X-Priority", value: String(priority) }, ...content.headers],
    html: content.html,
    text: content.text,
    attachments: content.attachments.map(
      ({ filename, contentType, content: bytes, contentId }) => ({
        filename: filename ?? false,
        contentType,
        content: bytes,
        // Any other changes the line breaks of a text.
        contentTransferEncoding: "base64",
        ...(contentId === undefined ? {} : { cid: contentId }),
      }),
    ),
    encoding: "quoted-printable",
    newline: "windows",
    disableFileAccess: true,
    disableUrlAccess: true,
  }).compile();
  const messageId = node.messageId();
  const bytes = await node.build();
  return { bytes: sign === undefined ? bytes : await sign(bytes), messageId };
}

/** The signer of the component's DKIM fields; `undefined`: it has none. Throws a `BindingError` for what is wrong with them. */
export function signerOf(driver: ComposingDriver, metadata: SmtpMetadata): Signer | undefined {
  const { dkimDomain, dkimSelector, dkimPrivateKey } = metadata;
  if (!dkimDomain && !dkimSelector && !dkimPrivateKey) return undefined;
  if (!dkimDomain || !dkimSelector || !dkimPrivateKey)
    throw invalid("dkimDomain, dkimSelector and dkimPrivateKey go together");
  if (![dkimDomain, dkimSelector].every((name) => /^[\w-]+(\.[\w-]+)*$/.test(name)))
    throw invalid("dkimDomain and dkimSelector must be names such as example.com and mail2026");
  let type: string | undefined;
  try {
    type = createPrivateKey(dkimPrivateKey).asymmetricKeyType;
  } catch {
    type = undefined;
  }
  if (type !== "rsa") throw invalid("dkimPrivateKey is no RSA key in PEM");
  const signer = new driver.DKIM({
    domainName: dkimDomain,
    keySelector: dkimSelector,
    privateKey: dkimPrivateKey,
  });
  return (bytes) => buffer(signer.sign(bytes));
}

function invalid(problem: string): BindingError {
  return new BindingError("invalid_argument", `smtp binding error: ${problem}`);
}
