/** Powers of ten, and of two, that a suffix stands for. */
const suffixes: Readonly<Record<string, { ten: number; two: number }>> = {
  k: { ten: 3, two: 0 },
  M: { ten: 6, two: 0 },
  G: { ten: 9, two: 0 },
  T: { ten: 12, two: 0 },
  P: { ten: 15, two: 0 },
  E: { ten: 18, two: 0 },
  Ki: { ten: 0, two: 10 },
  Mi: { ten: 0, two: 20 },
  Gi: { ten: 0, two: 30 },
  Ti: { ten: 0, two: 40 },
  Pi: { ten: 0, two: 50 },
  Ei: { ten: 0, two: 60 },
};

/**
 * Reads a Kubernetes quantity as bytes: `512`, `64k`, `4Mi`, `1e3`, `1.5Gi` where the result is
 * whole. `K` is none, as in Kubernetes. `undefined`: no quantity, or no whole number of bytes.
 */
export function parseByteSize(text: string): number | undefined {
  const match =
    /^([+-]?)(?:(\d+)(?:\.(\d*))?|\.(\d+))(?:[eE]([+-]?\d{1,3})|(k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei))?$/.exec(
      text.trim(),
    );
  if (!match) return undefined;
  const fraction = match[3] ?? match[4] ?? "";
  const suffix = suffixes[match[6] ?? ""] ?? { ten: 0, two: 0 };
  const exponent = Number(match[5] ?? 0) + suffix.ten - fraction.length;
  // Exact: 1.005k is 1005, which floating point misses.
  const scaled = BigInt((match[2] ?? "") + fraction) * 2n ** BigInt(suffix.two);
  const power = 10n ** BigInt(Math.abs(exponent));
  if (exponent < 0 && scaled % power !== 0n) return undefined;
  const value = Number(exponent < 0 ? scaled / power : scaled * power);
  if (!Number.isSafeInteger(value)) return undefined;
  return match[1] === "-" && value !== 0 ? -value : value;
}

/** A number of bytes in the largest unit of powers of two in which it is whole: `4Mi`, `1536`. */
export function formatByteSize(bytes: number): string {
  let [value, unit] = [bytes, ""];
  for (const larger of ["Ki", "Mi", "Gi", "Ti"]) {
    if (value === 0 || value % 1024 !== 0) break;
    [value, unit] = [value / 1024, larger];
  }
  return `${value}${unit}`;
}
