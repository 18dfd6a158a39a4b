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
const leftOut: ReadonlySet<string> = new Set(["time", "level", "msg", "app_id", "instance", "ver"]);

/**
 * Turns one JSON log line into one for people: time, level, component, message, then the other facts
 * as `name=value`. A line that is no JSON object comes back as it is.
 */
export function readableLine(line: string, colours: boolean): string {
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
    paint(timeOfDay(facts["time"]), "gray", colours),
    paint(level.toUpperCase().padEnd(5), levelColours[level] ?? "gray", colours),
  ];
  if (facts["component"] !== undefined)
    parts.push(paint(`[${value(facts["component"])}]`, "cyan", colours));
  parts.push(singleLine(textOf(facts["msg"])));
  for (const [name, fact] of Object.entries(facts)) {
    if (leftOut.has(name) || name === "component" || fact === undefined || fact === "") continue;
    parts.push(`${paint(`${name}=`, "gray", colours)}${value(fact)}`);
  }
  return `${parts.join(" ")}\n`;
}

function textOf(fact: unknown): string {
  return typeof fact === "string" ? fact : "";
}

function timeOfDay(time: unknown): string {
  const date = new Date(typeof time === "string" || typeof time === "number" ? time : Date.now());
  if (Number.isNaN(date.getTime())) return String(time);
  const two = (number: number): string => String(number).padStart(2, "0");
  const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");
  return `${clock}.${String(date.getMilliseconds()).padStart(3, "0")}`;
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
