import { clock } from "./clock.ts";
import { longestTimer } from "./metadata/duration.ts";

/** Resolves after the milliseconds, or at once when the signal aborts. Never rejects. */
export function delay(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      clock.clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = clock.setTimeout(done, Math.min(milliseconds, longestTimer));
    signal.addEventListener("abort", done, { once: true });
  });
}
