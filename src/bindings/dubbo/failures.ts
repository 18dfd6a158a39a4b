import { BindingError, type Effect, type Reason } from "../../errors.ts";
import { HessianObject, HessianReader } from "./hessian-reader.ts";

type Meaning = readonly [name: string, reason: Reason, effect: Effect];

/** The statuses of a response, as the protocol names them. */
const statuses = new Map<number, Meaning>([
  [30, ["CLIENT_TIMEOUT", "deadline_exceeded", "ambiguous"]],
  [31, ["SERVER_TIMEOUT", "deadline_exceeded", "ambiguous"]],
  [35, ["CHANNEL_INACTIVE", "unavailable", "ambiguous"]],
  [40, ["BAD_REQUEST", "invalid_argument", "rejected"]],
  [50, ["BAD_RESPONSE", "internal", "ambiguous"]],
  [60, ["SERVICE_NOT_FOUND", "not_found", "rejected"]],
  [70, ["SERVICE_ERROR", "internal", "ambiguous"]],
  [80, ["SERVER_ERROR", "internal", "ambiguous"]],
  [90, ["CLIENT_ERROR", "internal", "ambiguous"]],
  [100, ["SERVER_THREADPOOL_EXHAUSTED_ERROR", "resource_exhausted", "unsent"]],
]);

const missing = /^\S+: (No such method|Not found exported service)/;
const longestText = 2_000;

/** What a status other than OK says. The body is a text, often with a stack trace, of which the first line is told. */
export function statusFailure(status: number, body: Uint8Array, what: string): BindingError {
  const [name, reason, effect] = statuses.get(status) ?? [`${status}`, "internal", "ambiguous"];
  let text = "";
  try {
    text = String(new HessianReader(body).read());
  } catch {
    // The status has come all the same.
  }
  // Dubbo has one status for all that it cannot do.
  const isMissing = status === 70 && missing.test(text);
  return new BindingError(isMissing ? "not_found" : reason, `${what}: ${name}: ${shown(text)}`, {
    effect: isMissing ? "rejected" : effect,
    systemCode: name,
  });
}

/** What a method threw. It was called, and what it did before is its own. */
export function exceptionFailure(exception: unknown, what: string): BindingError {
  const { type, text } = described(exception);
  return new BindingError("internal", `${what}: ${type}: ${shown(text)}`, {
    effect: "rejected",
    systemCode: type,
  });
}

/** A generic call's exception tells of another one. */
function described(exception: unknown): { readonly type: string; readonly text: string } {
  if (!(exception instanceof HessianObject)) return { type: "exception", text: String(exception) };
  const { type, fields } = exception;
  const inner = fields.get("exceptionClass");
  const text = fields.get("exceptionMessage") ?? fields.get("detailMessage");
  return {
    type: typeof inner === "string" && inner !== "" ? inner : type,
    text: typeof text === "string" ? text : "",
  };
}

function shown(text: string): string {
  const [line = ""] = text.split(/[\r\n]/, 1);
  return line.slice(0, longestText).toWellFormed() || "the provider says no more";
}
