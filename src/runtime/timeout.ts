/** How long the store, or an output that takes what is exhausted, may take over one event, in milliseconds. */
export const defaultTimeout = 30_000;

/**
 * What the promise resolves to. Rejects when it takes longer than 30 seconds, or `longest` milliseconds, with what there
 * was not: what hangs must hold nothing for ever. What comes of it later is nobody's.
 */
export async function withTimeout<Value>(
  promise: Promise<Value>,
  longest = defaultTimeout,
  what = "no answer",
): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} within ${longest / 1000} s`)), longest);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
