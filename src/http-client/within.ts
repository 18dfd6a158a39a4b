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
