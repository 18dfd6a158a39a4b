/** A regular file as it was at one moment. */
export type Sighting = {
  /** Relative to the folder. */
  readonly path: string;
  /** Another one whenever the file is another or has been written to. */
  readonly version: string;
  readonly size: number;
  /** When it was last written to, in nanoseconds since 1970: files of one millisecond have an order too. */
  readonly modified: bigint;
};

/** When the file was last written to, as an ISO 8601 time with milliseconds. */
export function modifiedTime({ modified }: Pick<Sighting, "modified">): string {
  return new Date(Number(modified / 1_000_000n)).toISOString();
}

/** A time as {@link Sighting.modified} has it; 0 for one that cannot be read. */
export function nanosecondsOf(time: Date): bigint {
  const milliseconds = time.getTime();
  return Number.isNaN(milliseconds) ? 0n : BigInt(milliseconds) * 1_000_000n;
}
