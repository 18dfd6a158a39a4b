import { jsonText } from "../../sql/json-text.ts";

// The server writes times as ISO does, since each connection asks for it. What is no such time (before Christ, after the
// year 9999, or of a session that chose another style) stays the server's text.
const date = String.raw`(\d{4})-(\d\d)-(\d\d)`;
const time = String.raw`(\d\d):(\d\d):(\d\d)(\.\d+)?`;
const dates = new RegExp(`^${date}$`);
const timestamps = new RegExp(`^${date} ${time}$`);
const zoned = new RegExp(String.raw`^${date} ${time}([-+])(\d\d)(?::(\d\d))?(?::(\d\d))?$`);

function infinite(text: string): string | undefined {
  return text === "infinity" ? "1" : text === "-infinity" ? "-1" : undefined;
}

export function dateJson(text: string): string {
  return infinite(text) ?? (dates.test(text) ? `"${text}T00:00:00Z"` : jsonText(text));
}

export function timestampJson(text: string): string {
  return (
    infinite(text) ?? (timestamps.test(text) ? `"${text.replace(" ", "T")}Z"` : jsonText(text))
  );
}

/** In this process's time zone, as Dapr has it. */
export function timestamptzJson(text: string): string {
  const match = zoned.exec(text);
  if (match === null) return infinite(text) ?? jsonText(text);
  const [, year, month, day, hour, minute, second, fraction = "", sign, ...offset] = match;
  const at = new Date(0);
  at.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  at.setUTCHours(Number(hour), Number(minute), Number(second));
  const [hours = 0, minutes = 0, seconds = 0] = offset.map((part) => Number(part ?? 0));
  const ahead = (sign === "-" ? -1000 : 1000) * (hours * 3600 + minutes * 60 + seconds);
  const instant = new Date(at.getTime() - ahead);
  const local = -instant.getTimezoneOffset();
  const shown = new Date(instant.getTime() + local * 60_000).toISOString().slice(0, 19);
  return `"${shown}${fraction}${zoneText(local)}"`;
}

function zoneText(minutes: number): string {
  if (minutes === 0) return "Z";
  const two = (part: number): string => String(part).padStart(2, "0");
  const size = Math.abs(minutes);
  return `${minutes < 0 ? "-" : "+"}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}

export function timeJson(text: string): string {
  return `{"Microseconds":${microseconds(text)},"Valid":true}`;
}

export function intervalJson(text: string): string {
  const part = (name: string): number =>
    Number(new RegExp(String.raw`([-+]?\d+) ${name}s?\b`).exec(text)?.[1] ?? 0);
  const clock = /[-+]?\d+:\d\d:\d\d(?:\.\d+)?/.exec(text)?.[0] ?? "00:00:00";
  const months = 12 * part("year") + part("mon");
  return `{"Microseconds":${microseconds(clock)},"Days":${part("day")},"Months":${months},"Valid":true}`;
}

function microseconds(clock: string): bigint {
  const [, sign, hours = "0", minutes = "0", seconds = "0", fraction = ""] =
    /^([-+]?)(\d+):(\d\d):(\d\d)(?:\.(\d+))?$/.exec(clock) ?? [];
  const whole = (BigInt(hours) * 60n + BigInt(minutes)) * 60n + BigInt(seconds);
  const all = whole * 1_000_000n + BigInt(fraction.padEnd(6, "0").slice(0, 6));
  return sign === "-" ? -all : all;
}
