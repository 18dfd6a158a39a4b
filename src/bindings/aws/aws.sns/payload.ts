import { BindingError } from "../../../errors.ts";
import { checkText, messageText } from "../message-text.ts";

export type Payload = { readonly message: string; readonly subject: string | undefined };

/** Reads `{"message": …, "subject": …}`. Throws a `BindingError` for data that are no such object. */
export function payloadOf(data: Uint8Array | undefined): Payload {
  let value: unknown;
  try {
    value = JSON.parse(messageText(data, "SNS"));
  } catch (error) {
    if (error instanceof BindingError) throw error;
    throw refused("the data are no JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw refused("the data are no JSON object");
  const { message, subject } = membersOf(value);
  if (message === undefined) throw refused("the data have no message");
  const text = goText(message);
  checkText(text, "the message", "SNS");
  if (subject === undefined) return { message: text, subject: undefined };
  const title = goText(subject);
  // It becomes the subject of mails.
  if (!/^[\x21-\x7e][\x20-\x7e]{0,99}$/.test(title))
    throw refused("the subject is none: at most 100 characters of ASCII, no line break");
  return { message: text, subject: title };
}

/** Go takes the names of members in any case, and the last of several. */
function membersOf(value: object): { message?: unknown; subject?: unknown } {
  const found: { message?: unknown; subject?: unknown } = {};
  for (const [name, one] of Object.entries(value)) {
    const folded = name.toLowerCase();
    if ((folded === "message" || folded === "subject") && one !== null) found[folded] = one;
  }
  return found;
}

/** A JSON value as Go prints it with `%v`, which is what Dapr sends. */
export function goText(value: unknown): string {
  if (value === null || value === undefined) return "<nil>";
  if (typeof value === "string") return value;
  if (typeof value === "number") return goNumber(value);
  if (typeof value === "boolean") return String(value);
  if (Array.isArray(value)) return `[${value.map(goText).join(" ")}]`;
  const members = Object.entries(value)
    .toSorted(([one], [other]) => Buffer.compare(Buffer.from(one), Buffer.from(other)))
    .map(([name, one]) => `${name}:${goText(one)}`);
  return `map[${members.join(" ")}]`;
}

/** With an exponent from 1e+06 on, and below 1e-04. */
function goNumber(value: number): string {
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  const [digits = "", exponent = "0"] = value.toExponential().split("e");
  const power = Number(exponent);
  if (power >= -4 && power < 6) return String(value);
  return `${digits}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
}

function refused(why: string): BindingError {
  return new BindingError("invalid_argument", why);
}
