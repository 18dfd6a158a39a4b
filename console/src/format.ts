import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

/** A count: "12,345", and beyond a million "1.2M". */
export function count(value: number | bigint): string {
  return Number(value) < 1_000_000 ? whole.format(value) : compact.format(value);
}

/** Something a second. */
export function rate(perSecond: number): string {
  if (perSecond === 0) return "0/s";
  if (perSecond < 0.1) return "<0.1/s";
  return `${perSecond < 10 ? perSecond.toFixed(1) : count(perSecond)}/s`;
}

/** Milliseconds: "0.4 ms", "12 ms", "1.3 s", "2 min", "3 h", "5 d". */
export function span(milliseconds: number): string {
  if (milliseconds < 10) return `${Math.max(milliseconds, 0).toFixed(1)} ms`;
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

/** Bytes: "512 B", "3.4 kB", "2.1 MB". */
export function size(bytes: number | bigint): string {
  const value = Number(bytes);
  if (value < 1000) return `${value} B`;
  if (value < 1_000_000) return `${(value / 1000).toFixed(1)} kB`;
  return `${(value / 1_000_000).toFixed(1)} MB`;
}

/** Milliseconds of a duration of the wire. */
export function milliseconds(duration: Duration | undefined): number {
  return duration === undefined ? 0 : Number(duration.seconds) * 1000 + duration.nanos / 1e6;
}

/** A time of the wire in milliseconds since 1970. Absent: `undefined`. */
export function timeOf(timestamp: Timestamp | undefined): number | undefined {
  return timestamp && Number(timestamp.seconds) * 1000 + timestamp.nanos / 1e6;
}

/** Local date and time, to the second or the millisecond. */
export function dateTime(time: number, fine = false): string {
  const date = new Date(time);
  const two = (value: number): string => String(value).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  const rest = fine ? `.${String(date.getMilliseconds()).padStart(3, "0")}` : "";
  return `${day} ${clock}${rest}`;
}

/** Local time of the day, to the millisecond. */
export function clockTime(time: number): string {
  return dateTime(time, true).slice(11);
}

/** "1 dead letter", "2 dead letters". */
export function plural(value: number | bigint, one: string, many = `${one}s`): string {
  return `${count(value)} ${Number(value) === 1 ? one : many}`;
}
