const multipliers: Readonly<Record<string, number>> = {
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/**
 * Reads a Kubernetes quantity as bytes: `512`, `64k`, `4Mi`, `1e3`, `1.5Gi` where the result is
 * whole. `K` is none, as in Kubernetes. `undefined`: no quantity, or no whole number of bytes.
 */
export function parseByteSize(text: string): number | undefined {
  const match = /^([+-]?(?:\d+\.?\d*|\.\d+))(?:[eE]([+-]?\d+)|(k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei))?$/.exec(text.trim());
  if (!match) return undefined;
  const value = Number(match[1]) * (multipliers[match[3] ?? ""] ?? Number.NaN) * 10 ** Number(match[2] ?? 0);
  return Number.isSafeInteger(value) ? value : undefined;
}
