import type { Effect, Reason } from "../errors.ts";

/** What is known of a request that a server answered with another status than 2xx. */
export type StatusFailure = { readonly reason: Reason; readonly effect: Effect };

const reasons: Readonly<Record<number, Reason>> = {
  400: "invalid_argument",
  401: "unauthenticated",
  403: "permission_denied",
  404: "not_found",
  408: "deadline_exceeded",
  409: "aborted",
  410: "not_found",
  412: "failed_precondition",
  413: "resource_exhausted",
  416: "out_of_range",
  429: "resource_exhausted",
  501: "unimplemented",
  502: "unavailable",
  503: "unavailable",
  504: "deadline_exceeded",
};

/** 429 is said before anything is done; a 5xx, or 408, may come after it was. */
const effects: Readonly<Record<number, Effect>> = { 408: "ambiguous", 429: "unsent" };

/** The one table of what a status other than 2xx means, for every binding that speaks HTTP. */
export function failureOfStatus(status: number): StatusFailure {
  if (status >= 500) return { reason: reasons[status] ?? "internal", effect: "ambiguous" };
  const otherwise = status >= 400 ? "invalid_argument" : "failed_precondition";
  return { reason: reasons[status] ?? otherwise, effect: effects[status] ?? "rejected" };
}

/** Whether it is 2xx. */
export function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}

/** Milliseconds, of `Retry-After` in seconds or as a date; `undefined`: it says neither. */
export function retryAfterOf(header: string | string[] | undefined): number | undefined {
  const text = typeof header === "string" ? header : header?.[0];
  if (text === undefined) return undefined;
  const milliseconds = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(milliseconds) ? Math.max(0, milliseconds) : undefined;
}
