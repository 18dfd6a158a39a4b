import { BindingError, type Effect } from "./errors.ts";

/**
 * What the work comes to, or a failure as soon as the signal is aborted: by default the signal's reason. The work
 * itself goes on then, and what it comes to is nobody's.
 */
export async function abortable<Result>(
  work: Promise<Result>,
  signal: AbortSignal,
  failure: () => unknown = () => signal.reason,
): Promise<Result> {
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(failure());
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/**
 * What the work comes to, or `undefined` as soon as the signal is aborted. For what is awaited again and again: of a
 * promise that never settles, each `Promise.race` with it would stay in memory.
 */
export async function orAborted<Result>(
  work: Promise<Result>,
  signal: AbortSignal,
): Promise<Result | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<Result | undefined>();
  const abort = (): void => resolve(undefined);
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort, { once: true });
  work.then(resolve, reject);
  try {
    return await promise;
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/**
 * The failure of a call whose signal was aborted, by the signal's reason. `what`: what failed; `meanwhile`: the end of
 * the sentence, what was waited for.
 */
export function abortFailure(
  what: string,
  reason: unknown,
  effect: Effect,
  meanwhile = "",
): BindingError {
  if (reason instanceof BindingError) {
    const { message, cause } = reason;
    return new BindingError(reason.reason, `${what}: ${message}${meanwhile}`, { effect, cause });
  }
  const isLate = reason instanceof Error && reason.name === "TimeoutError";
  return new BindingError(
    isLate ? "deadline_exceeded" : "cancelled",
    `${what}: ${isLate ? "context deadline exceeded" : "context canceled"}${meanwhile}`,
    { effect, cause: reason },
  );
}
