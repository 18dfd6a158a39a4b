/**
 * A time as Go writes it (`RFC3339Nano`), without zeros at the end of the fraction: the library compares the text that it has
 * read with what it would write itself.
 */
export function timeText(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/\.?0*Z$/, "Z");
}

/** Milliseconds since 1970; `undefined`: it is no time. */
export function timeOf(text: string | undefined): number | undefined {
  const time = Date.parse(text ?? "");
  return Number.isNaN(time) ? undefined : time;
}
