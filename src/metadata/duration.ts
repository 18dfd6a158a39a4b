const unitMilliseconds: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/**
 * Reads a Go duration as milliseconds: `300ms`, `-1.5h`, `2h45m`. A bare integer counts in
 * `bareUnit` milliseconds; the empty text is 0. `undefined`: no duration.
 */
export function parseDuration(text: string, bareUnit: number): number | undefined {
  if (text === "") return 0;
  if (/^[+-]?\d+$/.test(text)) return finite(Number(text) * bareUnit);
  const match = /^([+-]?)((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/.exec(text);
  if (!match?.[2]) return undefined;
  let total = 0;
  for (const [, amount, unit] of match[2].matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g)) {
    total += Number(amount) * (unitMilliseconds[unit ?? ""] ?? Number.NaN);
  }
  return finite(match[1] === "-" ? -total : total);
}

/** The longest delay that `setTimeout` takes, 24 days; a longer one would fire at once. */
export const longestTimer = 2 ** 31 - 1;

/** Milliseconds as Go would print them, for messages and docs: `1m30s`, `250ms`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 0) return `-${formatDuration(-milliseconds)}`;
  if (milliseconds < 1000) return `${Number(milliseconds.toFixed(3))}ms`;
  const hours = Math.floor(milliseconds / 3_600_000);
  const minutes = Math.floor((milliseconds % 3_600_000) / 60_000);
  const seconds = Number(((milliseconds % 60_000) / 1000).toFixed(3));
  const parts = [hours && `${hours}h`, minutes && `${minutes}m`, seconds && `${seconds}s`];
  return parts.filter(Boolean).join("");
}

function finite(value: number): number | undefined {
  return Number.isFinite(value) ? value : undefined;
}
