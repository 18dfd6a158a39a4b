import { inspect } from "node:util";

type Colour = "gray" | "green" | "yellow" | "red" | "magenta" | "cyan";

const levelColours: Readonly<Record<string, Colour>> = {
  debug: "gray",
  info: "green",
  warn: "yellow",
  error: "red",
  fatal: "magenta",
};

/** Facts that stand in the line already, or that every line of a process would repeat. */
const leftOut: ReadonlySet<string> = new Set([
  ...["time", "level", "msg", "app_id", "instance", "ver", "component", "excerpt"],
]);
/** Where something is in a file: the message begins with it. */
const place: ReadonlySet<string> = new Set(["file", "line", "column"]);

export type ReadableStyle = {
  readonly color: boolean;
  /** The day too, which nobody needs who looks at a terminal. */
  readonly date: boolean;
};

/**
 * Turns one JSON log line into one for people: time, level, component, message, then the other facts
 * as `name=value`. A line that is no JSON object comes back as it is.
 */
export function readableLine(line: string, { color, date }: ReadableStyle): string {
  let record: unknown;
  try {
    record = JSON.parse(line);
  } catch {
    return line;
  }
  if (typeof record !== "object" || record === null || Array.isArray(record)) return line;
  const facts = record as Record<string, unknown>;
  const level = textOf(facts["level"]) || "info";
  const parts = [
    paint(timeText(facts["time"], date), "gray", color),
    paint(level.toUpperCase().padEnd(5), levelColours[level] ?? "gray", color),
  ];
  if (facts["component"] !== undefined)
    parts.push(paint(`[${value(facts["component"])}]`, "cyan", color));
  const message = textOf(facts["msg"]);
  const excerpt = textOf(facts["excerpt"]);
  parts.push(singleLine(excerpt === "" ? message : `${message}\n${excerpt}`));
  const file = textOf(facts["file"]);
  const namesPlace = file !== "" && message.startsWith(file);
  for (const [name, fact] of Object.entries(facts)) {
    if (leftOut.has(name) || fact === undefined || fact === "") continue;
    if (namesPlace && place.has(name)) continue;
    parts.push(`${paint(`${name}=`, "gray", color)}${value(fact)}`);
  }
  return `${parts.join(" ")}\n`;
}

function textOf(fact: unknown): string {
  return typeof fact === "string" ? fact : "";
}

/** In the time zone of the process. */
function timeText(time: unknown, withDate: boolean): string {
  const date = new Date(typeof time === "string" || typeof time === "number" ? time : Date.now());
  if (Number.isNaN(date.getTime())) return String(time);
  const two = (number: number): string => String(number).padStart(2, "0");
  const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");
  const timeOfDay = `${clock}.${String(date.getMilliseconds()).padStart(3, "0")}`;
  if (!withDate) return timeOfDay;
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("-");
  return `${day} ${timeOfDay}`;
}

function value(fact: unknown): string {
  if (typeof fact === "object" && fact !== null) return JSON.stringify(fact);
  const text = String(fact);
  return /^[^\s"=\p{Cc}]+$/u.test(text) ? text : JSON.stringify(text);
}

/** Control characters could forge lines or move the cursor; line breaks stay, indented. */
function singleLine(text: string): string {
  return text
    .replaceAll(/\r?\n/g, "\n    ")
    .replaceAll(/[\p{Cc}]/gu, (control) => (control === "\n" || control === "\t" ? control : "?"));
}

function paint(text: string, colour: Colour, colours: boolean): string {
  if (!colours) return text;
  const [open, close] = inspect.colors[colour] ?? [0, 0];
  return `\u001b[${open}m${text}\u001b[${close}m`;
}
