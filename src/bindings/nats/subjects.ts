import { BindingError } from "../../errors.ts";

/** In bytes. A line of the protocol, which has more than the subject, is 4,096 long at most unless configured otherwise. */
const longestSubject = 2_048;
const longestName = 255;

/** Refuses what is no subject that a message can be sent to. `ownOnly`: the component's owner wrote it. */
export function checkSubject(subject: string, ownOnly = false): void {
  const tokens = tokensOf(subject);
  if (tokens.some((token) => token === "*" || token === ">"))
    throw refused(subject, "has wildcards, and a message is sent to one subject");
  if (ownOnly || !/^\$(JS|SYS)(\.|$)/.test(subject)) return;
  throw refused(subject, "is one of the server's own, which a call may not name");
}

/** Refuses what is no subject to read, wildcards included. */
export function checkFilter(subject: string): void {
  const tokens = tokensOf(subject);
  const end = tokens.indexOf(">");
  if (end >= 0 && end !== tokens.length - 1) throw refused(subject, "has > before its end");
}

/** Refuses what is no name of a stream or a consumer, which becomes a part of subjects. */
export function checkName(field: string, name: string): void {
  if (/^[^\s.*>/\\\p{C}]+$/u.test(name) && Buffer.byteLength(name) <= longestName) return;
  throw new BindingError(
    "invalid_argument",
    `${field} ${quoted(name)} is no name: it may have no spaces, dots, wildcards, slashes or control characters, and at most ${longestName} bytes`,
  );
}

function tokensOf(subject: string): string[] {
  if (Buffer.byteLength(subject) > longestSubject)
    throw refused(subject, `has more than ${longestSubject} bytes`);
  if (/[\s\p{C}]/u.test(subject)) throw refused(subject, "has spaces or control characters");
  const tokens = subject.split(".");
  if (tokens.includes("")) throw refused(subject, "has an empty part");
  return tokens;
}

function refused(subject: string, why: string): BindingError {
  return new BindingError("invalid_argument", `subject ${quoted(subject)} ${why}`);
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
