import { BindingError, type Effect } from "../../errors.ts";

/**
 * What an operation comes to, or a failure when the signal is aborted: the operation's own where it heeds the signal,
 * since that tells best what was done, else one that leaves open whether it happened. It may go on then; what it
 * comes to is nobody's.
 */
export async function untilAborted<Result>(
  run: () => Promise<Result>,
  signal: AbortSignal,
  what: string,
): Promise<Result> {
  if (signal.aborted) throw failureOf(signal.reason, `${what} had not begun`, "unsent");
  const aborted = Promise.withResolvers<never>();
  const abort = (): void =>
    // After all that an operation does at once when it is told.
    void setImmediate(() =>
      aborted.reject(failureOf(signal.reason, `${what} had not ended`, "ambiguous")),
    );
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([run(), aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
    aborted.promise.catch(() => undefined);
  }
}

function failureOf(cause: unknown, what: string, effect: Effect): BindingError {
  const late = cause instanceof Error && cause.name === "TimeoutError";
  const [reason, why] = late
    ? (["deadline_exceeded", "the deadline passed"] as const)
    : (["cancelled", "the caller cancelled it"] as const);
  const rest = effect === "unsent" ? "" : "; it may still happen";
  return new BindingError(reason, `${what} when ${why}${rest}`, { effect, cause });
}
