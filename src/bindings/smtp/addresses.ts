import { domainToASCII } from "node:url";
import { BindingError } from "../../errors.ts";

/** One mailbox, for a header and for the envelope. */
export type Mailbox = { readonly name: string; readonly address: string };

/** In bytes: a local part of 64, the `@`, a domain of 255. */
const longestAddress = 320;
const plain = /^[^\s"(),:;<>@[\]\\]+$/;
const domainLiteral = /^\[[0-9A-Za-z:.]+\]$/;
const withName = /^([^<>]*)<([^<>]*)>$/;

/** Reads mailboxes separated by `;`, as Dapr does; spaces around each and empty ones do not count. */
export function parseMailboxes(field: string, text: string): Mailbox[] {
  refuseControls(field, text);
  return text
    .split(";")
    .map((one) => one.trim())
    .filter((one) => one !== "")
    .map((one) => parseMailbox(field, one));
}

/** Reads `a@example.com` or `Name <a@example.com>`. Throws a `BindingError` for anything else. */
export function parseMailbox(field: string, text: string): Mailbox {
  refuseControls(field, text);
  const found = withName.exec(text.trim());
  const written = (found?.[2] ?? text).trim();
  const name = displayName((found?.[1] ?? "").trim());
  const at = written.lastIndexOf("@");
  const local = written.slice(0, Math.max(at, 0));
  const domain = asciiDomain(written.slice(at + 1));
  const address = `${local}@${domain}`;
  const isAddress = plain.test(local) && (plain.test(domain) || domainLiteral.test(domain));
  if (name === undefined || !isAddress || Buffer.byteLength(address) > longestAddress) {
    const shown = JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}…` : text);
    throw invalid(
      field,
      `${shown} is no address such as a@example.com or Name <a@example.com>; several are separated by ;`,
    );
  }
  return { name, address };
}

/** Before anything is trimmed. */
function refuseControls(field: string, text: string): void {
  // oxlint-disable-next-line no-control-regex -- they are what must not be there
  if (/[\0-\x1f\x7f-\x9f]/.test(text))
    throw invalid(field, "has a line break or another control character");
}

/** `undefined`: it may as well be the end of another address. */
function displayName(text: string): string | undefined {
  const quoted = /^"((?:[^"\\]|\\.)*)"$/.exec(text)?.[1];
  if (quoted !== undefined) return quoted.replaceAll(/\\(.)/g, "$1");
  return /["@,:\\]/.test(text) ? undefined : text;
}

/** The form that every server takes. Only where needed: for ASCII it would read `1.2` as a number. */
function asciiDomain(domain: string): string {
  // oxlint-disable-next-line no-control-regex -- all of ASCII is meant
  return /^[\0-\x7f]*$/.test(domain) ? domain : domainToASCII(domain);
}

function invalid(field: string, problem: string): BindingError {
  return new BindingError("invalid_argument", `smtp binding error: ${field}: ${problem}`);
}
