import type { Duration } from "@bufbuild/protobuf/wkt";

/** Milliseconds as the wire says them. */
export function durationOf(milliseconds: number): { seconds: bigint; nanos: number } {
  const whole = Math.min(milliseconds, longest);
  const seconds = Math.floor(whole / 1000);
  return { seconds: BigInt(seconds), nanos: Math.floor((whole - seconds * 1000) * 1e6) };
}

/** What the wire says, in milliseconds. */
export function millisecondsOf({ seconds, nanos }: Duration): number {
  return Number(seconds) * 1000 + nanos / 1e6;
}

/** A year: pauses beyond it are mistakes, and a time that is not finite cannot be written. */
const longest = 365 * 24 * 3600 * 1000;
