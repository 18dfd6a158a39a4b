const unitMilliseconds: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/**
 * Milliseconds of a `grpc-timeout` header such as `2998232u`, rounded up to whole ones; `undefined`
 * when it is no such text.
 */
export function parseGrpcTimeout(header: string): number | undefined {
  const unit = unitMilliseconds[header[header.length - 1] ?? ""];
  const digits = header.slice(0, -1);
  if (unit === undefined || !/^[0-9]{1,8}$/.test(digits)) return undefined;
  // Rounding first takes off what the product of a fraction gains: 1000 us are 1 ms, not 2.
  return Math.ceil(Math.round(Number(digits) * unit * 1e6) / 1e6);
}

/** Writes milliseconds as a `grpc-timeout` header, in the finest unit that has room in eight digits. */
export function formatGrpcTimeout(milliseconds: number): string {
  const micro = Math.max(0, Math.round(milliseconds * 1000));
  if (micro < 1e8) return `${micro}u`;
  const milli = Math.ceil(milliseconds);
  if (milli < 1e8) return `${milli}m`;
  return `${Math.min(Math.ceil(milliseconds / 1000), 99_999_999)}S`;
}

/** The longest delay that `setTimeout` takes; a longer one would fire at once. */
export const longestTimer = 2 ** 31 - 1;
