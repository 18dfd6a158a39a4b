import type { BindingError } from "../../errors.ts";
import type { Answered } from "../../http-client/exchange.ts";
import { isObject, jsonMembers, serviceFailure } from "../../http-client/service-client.ts";

const told = ["field", "message", "help"] as const;

/** What SendGrid answered in place of 2xx: its errors as Dapr writes them, `{Errors:[{Field:… Message:… Help:…}]}`. */
export function refusal(answered: Answered): BindingError {
  const { errors } = jsonMembers(answered.body);
  const list = Array.isArray(errors) ? errors.filter(isObject) : [];
  const texts = list.map((one) => {
    const members = told.map((name) => `${capitalized(name)}:${goText(one[name])}`);
    return `{${members.join(" ")}}`;
  });
  const text = `error from SendGrid: sending email failed: ${answered.status} {Errors:[${texts.join(" ")}]}`;
  const retryAfter = answered.status === 429 ? untilReset(answered) : undefined;
  return serviceFailure(text, answered, retryAfter === undefined ? {} : { retryAfter });
}

function capitalized(name: string): string {
  return name.slice(0, 1).toUpperCase() + name.slice(1);
}

/** As Go prints a value of any type; of objects and lists, which SendGrid does not send, the JSON. */
function goText(value: unknown): string {
  if (value === undefined || value === null) return "<nil>";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Milliseconds until the rate limit begins anew: SendGrid tells the time, in seconds since 1970. */
function untilReset({ headers }: Answered): number | undefined {
  const reset = headers["x-ratelimit-reset"];
  if (typeof reset !== "string" || !/^\d{1,12}$/.test(reset)) return undefined;
  return Math.max(0, Number(reset) * 1000 - Date.now());
}
