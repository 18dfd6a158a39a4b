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
