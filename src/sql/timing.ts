/** When something was, in microseconds since 1970: the clock of this process has no more. */
export function now(): number {
  return Math.round((performance.timeOrigin + performance.now()) * 1000);
}

/** The second that was written last, since many calls share it. */
let lastSecond = Number.NaN;
let lastText = "";

/** RFC 3339 in UTC, without zeros at the end of the fraction. */
export function instantText(microseconds: number): string {
  const second = Math.floor(microseconds / 1_000_000);
  const fraction = String(microseconds - second * 1_000_000)
    .padStart(6, "0")
    .replace(/0+$/, "");
  if (second !== lastSecond) {
    lastText = new Date(second * 1000).toISOString().slice(0, 19);
    lastSecond = second;
  }
  return `${lastText}${fraction === "" ? "" : `.${fraction}`}Z`;
}

/** A duration as Go writes it. */
export function durationText(microseconds: number): string {
  if (microseconds < 1) return "0s";
  if (microseconds < 1000) return `${microseconds}µs`;
  if (microseconds < 1_000_000) return `${microseconds / 1000}ms`;
  const minutes = Math.floor(microseconds / 60_000_000);
  const seconds = `${(microseconds - minutes * 60_000_000) / 1_000_000}s`;
  if (minutes === 0) return seconds;
  return minutes < 60
    ? `${minutes}m${seconds}`
    : `${Math.floor(minutes / 60)}h${minutes % 60}m${seconds}`;
}
