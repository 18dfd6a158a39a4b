import { abortFailure } from "../../abortable.ts";
import { BindingError, messageOf } from "../../errors.ts";
import type { Effect, Reason } from "../../errors.ts";

/** The driver's errors, as far as they are read. */
export type DriverError = Error & {
  readonly code?: string | undefined;
  readonly originalCode?: string | undefined;
  readonly command?: string | undefined;
  readonly response?: string | undefined;
  readonly responseCode?: number | undefined;
  readonly recipient?: string | undefined;
};

const failed = "error from smtp binding, sending email failed";
/** Of the server's words, in characters. */
const longestReply = 500;
const mostNamed = 10;

/** What 5xx replies say; any other 5xx is a `failed_precondition`, and each 4xx is `unavailable`. */
const reasons: Readonly<Record<number, Reason>> = {
  500: "unimplemented",
  501: "invalid_argument",
  502: "unimplemented",
  504: "unimplemented",
  530: "unauthenticated",
  534: "unauthenticated",
  535: "unauthenticated",
  538: "unauthenticated",
  551: "invalid_argument",
  552: "resource_exhausted",
  553: "invalid_argument",
  555: "unimplemented",
};

/** Takes what is secret out of a text of the server's. */
export type Redact = (text: string) => string;

/**
 * What became of a mail. A 4xx reply at any point: the server has not taken it and may later (`unsent`). 5xx: it
 * refuses it. Without a reply: `unsent` until the mail began to be written, `ambiguous` from then on.
 */
export function failureOf(thrown: unknown, isBegun: boolean, redact: Redact): BindingError {
  if (thrown instanceof BindingError) return thrown;
  const error: DriverError = thrown instanceof Error ? thrown : new Error(messageOf(thrown));
  const code = error.responseCode;
  if (code !== undefined && code >= 400) {
    const { reason, effect } = outcomeOf(code);
    return new BindingError(reason, `${failed}: ${replyOf(error, redact)}`, {
      effect,
      systemCode: String(code),
    });
  }
  const effect: Effect = isBegun ? "ambiguous" : "unsent";
  const { code: kind, originalCode, command = "" } = error;
  // The driver puts the server's reply into its message.
  const text = command.startsWith("AUTH") ? "the log-in failed" : redact(cut(error.message));
  const known = originalCode ?? kind;
  return new BindingError("unavailable", `${failed}: ${text}`, { effect, systemCode: known });
}

/** One or more recipients were refused, and nothing was sent. */
export function recipientsRefused(errors: readonly DriverError[], redact: Redact): BindingError {
  const worst = errors.find(({ responseCode = 0 }) => responseCode >= 500) ?? errors[0];
  const { reason, effect } = outcomeOf(worst?.responseCode ?? 0);
  const named = errors.slice(0, mostNamed).map((error) => refusalText(error, redact));
  const more = errors.length > mostNamed ? `; and ${errors.length - mostNamed} more` : "";
  const text = `${failed}: nothing was sent, since the server refused ${named.join("; ")}${more}`;
  return new BindingError(reason, text, { effect, systemCode: String(worst?.responseCode) });
}

/** `a@example.com: 550 no such user`. */
export function refusalText(error: DriverError, redact: Redact): string {
  return `${error.recipient ?? "a recipient"}: ${redact(cut(error.response ?? ""))}`;
}

/** The caller has gone, or the time is up. */
export function gaveUp(reason: unknown, isBegun: boolean): BindingError {
  return abortFailure(failed, reason, isBegun ? "ambiguous" : "unsent");
}

function outcomeOf(code: number): { reason: Reason; effect: Effect } {
  return code >= 500
    ? { reason: reasons[code] ?? "failed_precondition", effect: "rejected" }
    : { reason: "unavailable", effect: "unsent" };
}

/** The server's code and words. Of a refused log-in the codes alone: a server may repeat what was sent. */
function replyOf(
  { response = "", responseCode, command = "" }: DriverError,
  redact: Redact,
): string {
  // CONN: the greeting.
  const asked = command === "" || command === "CONN" ? "" : ` (the answer to ${command})`;
  if (!command.startsWith("AUTH")) return `${redact(cut(response))}${asked}`;
  const enhanced = /^\d{3}[ -](\d\.\d{1,3}\.\d{1,3})\b/.exec(response)?.[1];
  return `the log-in was refused: ${responseCode}${enhanced === undefined ? "" : ` ${enhanced}`}`;
}

function cut(text: string): string {
  const line = text.replaceAll(/\s+/g, " ").trim();
  return line.length > longestReply ? `${line.slice(0, longestReply)}…` : line;
}

/** Leaves out a password, also as it goes over the wire and as URLs write it. */
export function redactor(user: string | undefined, password: string | undefined): Redact {
  if (!password) return (text) => text;
  const base64 = (text: string): string => Buffer.from(text).toString("base64");
  const forms = [
    base64(`\0${user ?? ""}\0${password}`),
    base64(password),
    encodeURIComponent(password),
    password,
  ];
  return (text) => forms.reduce((rest, form) => rest.replaceAll(form, "***"), text);
}
