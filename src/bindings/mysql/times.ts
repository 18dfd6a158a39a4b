import { jsonText } from "../../sql/json-text.ts";

/** The offset from UTC of an instant, in minutes; `undefined`: the zone is UTC. */
export type Zone = ((instant: number) => number) | undefined;

const pattern = /^(\d{4})-(\d\d)-(\d\d)(?: (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?)?$/;

/** A date or time in the server's text, as Dapr's driver writes it: RFC 3339, in the zone. */
export function dateTimeJson(text: string, zone: Zone): string {
  const match = pattern.exec(text);
  if (match === null) return jsonText(text);
  // The date that stands for none.
  if (/^[0:. -]*$/.test(text)) return '"0001-01-01T00:00:00Z"';
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1, 7)
    .map((part) => Number(part ?? 0));
  const fraction = (match[7] ?? "").replace(/0+$/, "");
  const local = new Date(0);
  // Dates with parts of zero count back from the next, as Go's do.
  local.setUTCFullYear(year, month - 1, day);
  local.setUTCHours(hour, minute, second);
  const offset = zone === undefined ? 0 : offsetAt(local.getTime(), zone);
  const shown = local.toISOString().slice(0, 19);
  return `"${shown}${fraction === "" ? "" : `.${fraction}`}${offsetText(offset)}"`;
}

/** The offset of a local time. Of one that is there twice, or not at all, the one that Go takes. */
function offsetAt(local: number, zone: (instant: number) => number): number {
  const first = zone(local);
  return zone(local - first * 60_000);
}

function offsetText(minutes: number): string {
  if (minutes === 0) return "Z";
  const size = Math.abs(minutes);
  return `${minutes < 0 ? "-" : "+"}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}

/** The zone of that IANA name. */
export function zoneOf(name: string): Zone {
  if (name === "UTC") return undefined;
  const format = new Intl.DateTimeFormat("en", { timeZone: name, timeZoneName: "longOffset" });
  return (instant) => {
    const text = format.formatToParts(instant).find(({ type }) => type === "timeZoneName")?.value;
    const [, sign, hours = 0, minutes = 0] = /GMT([+-])(\d\d):(\d\d)/.exec(text ?? "") ?? [];
    return (sign === "-" ? -1 : 1) * (Number(hours) * 60 + Number(minutes));
  };
}

/** The text of a date or time that was sent in bytes. */
export function sentDateTime(value: Buffer): string {
  if (value.length < 4) return "0000-00-00";
  const date = `${String(value.readUInt16LE()).padStart(4, "0")}-${two(value[2])}-${two(value[3])}`;
  if (value.length < 7) return date;
  const time = `${date} ${two(value[4])}:${two(value[5])}:${two(value[6])}`;
  return value.length < 11 ? time : `${time}.${six(value.readUInt32LE(7))}`;
}

/** The text of a TIME that was sent in bytes. */
export function sentTime(value: Buffer, decimals: number): string {
  const isShort = value.length < 8;
  const hours = isShort ? 0 : value.readUInt32LE(1) * 24 + (value[5] ?? 0);
  const clock = isShort ? "00:00:00" : `${two(hours)}:${two(value[6])}:${two(value[7])}`;
  const digits = decimals > 6 ? 0 : decimals;
  const micros = value.length < 12 ? 0 : value.readUInt32LE(8);
  const fraction = digits === 0 ? "" : `.${six(micros).slice(0, digits)}`;
  return `${value[0] === 1 ? "-" : ""}${clock}${fraction}`;
}

function two(value = 0): string {
  return String(value).padStart(2, "0");
}

function six(micros: number): string {
  return String(micros).padStart(6, "0");
}
