import { BindingError, type Effect } from "../../errors.ts";

/**
 * What an operation comes to, or a failure when the signal is aborted: the operation's own where it heeds the signal,
 * since that tells best what was done, else one that leaves open whether it happened. It may go on then; what it
 * comes to is nobody's.
 */
export async function untilGivenUp<Result>(
  run: () => Promise<Result>,
  signal: AbortSignal,
  what: string,
): Promise<Result> {
  if (signal.aborted) throw failureOf(signal.reason, `${what} had not begun`, "unsent");
  const givenUp = Promise.withResolvers<never>();
  const giveUp = (): void =>
    // After all that an operation does at once when it is told.
    void setImmediate(() =>
      givenUp.reject(failureOf(signal.reason, `${what} had not ended`, "ambiguous")),
    );
  signal.addEventListener("abort", giveUp, { once: true });
  try {
    return await Promise.race([run(), givenUp.promise]);
  } finally {
    signal.removeEventListener("abort", giveUp);
    givenUp.promise.catch(() => undefined);
  }
}

function failureOf(cause: unknown, what: string, effect: Effect): BindingError {
  const late = cause instanceof Error && cause.name === "TimeoutError";
  const [reason, why] = late
    ? (["deadline_exceeded", "the deadline passed"] as const)
    : (["cancelled", "the caller gave up"] as const);
  const rest = effect === "unsent" ? "" : "; it may still happen";
  return new BindingError(reason, `${what} when ${why}${rest}`, { effect, cause });
}
