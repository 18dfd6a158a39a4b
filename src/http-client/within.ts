import { BindingError } from "../errors.ts";

/** The most milliseconds of a timer. */
const longestTimer = 2 ** 31 - 1;

/**
 * Runs with a signal that is also aborted after `milliseconds`, at most what a timer takes. `field`: whose value that is,
 * for the error.
 */
export async function within<Result>(
  milliseconds: number,
  field: string,
  outer: AbortSignal,
  run: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const late = new BindingError(
    "deadline_exceeded",
    `context deadline exceeded; no answer within ${milliseconds} ms (${field})`,
  );
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(late), Math.min(milliseconds, longestTimer));
  try {
    return await run(AbortSignal.any([outer, controller.signal]));
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Runs with a signal that is aborted with the outer one, and after `milliseconds` as that of `AbortSignal.timeout` is.
 * For what is asked many times a second: it leaves no signals to the garbage collector.
 */
export async function withTimeLimit<Result>(
  milliseconds: number,
  outer: AbortSignal | undefined,
  run: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const controller = new AbortController();
  const abort = (): void => controller.abort(outer?.reason);
  const timer = setTimeout(() => {
    controller.abort(new DOMException("The operation was aborted due to timeout", "TimeoutError"));
  }, milliseconds);
  if (outer?.aborted) abort();
  else outer?.addEventListener("abort", abort, { once: true });
  try {
    return await run(controller.signal);
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener("abort", abort);
  }
}
