import { resolvePlain } from "./scalar.ts";

/** A JSON text as YAML with a line for each part, without the numbers' digits changed. Throws where it is no JSON. */
export function yamlOfJson(json: string): string {
  return `${block(JSON.parse(json, keepNumbers), "")}\n`;
}

/** The digits of a number as they are written. */
class WrittenNumber {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

function keepNumbers(_key: string, value: unknown, context?: { source?: string }): unknown {
  return typeof value === "number" ? new WrittenNumber(context?.source ?? String(value)) : value;
}

function block(value: unknown, indent: string): string {
  if (Array.isArray(value) && value.length > 0)
    return value.map((one) => `${indent}- ${item(one, indent)}`).join("\n");
  const entries = entriesOf(value);
  if (entries === undefined) return indent + scalar(value);
  return entries.map(([key, one]) => `${indent}${keyText(key)}:${below(one, indent)}`).join("\n");
}

/** What follows a dash: the first line of it stands behind. */
function item(value: unknown, indent: string): string {
  // Lists in lists are seldom, and fit on a line.
  if (entriesOf(value) === undefined) return flow(value);
  return block(value, `${indent}  `).trimStart();
}

/** What follows a colon. */
function below(value: unknown, indent: string): string {
  const isList = Array.isArray(value) && value.length > 0;
  if (!isList && entriesOf(value) === undefined) return ` ${scalar(value)}`;
  return `\n${block(value, `${indent}  `)}`;
}

/** `undefined`: it is no mapping, or one with nothing in it. */
function entriesOf(value: unknown): [string, unknown][] | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (Array.isArray(value) || value instanceof WrittenNumber) return undefined;
  const entries = Object.entries(value);
  return entries.length === 0 ? undefined : entries;
}

function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(", ")}]`;
  const entries = entriesOf(value);
  if (entries === undefined) return scalar(value);
  return `{${entries.map(([key, one]) => `${keyText(key)}: ${flow(one)}`).join(", ")}}`;
}

function scalar(value: unknown): string {
  if (value instanceof WrittenNumber) return value.text;
  if (typeof value === "string") return quoted(value);
  if (Array.isArray(value)) return "[]";
  return typeof value === "object" && value !== null ? "{}" : String(value);
}

function keyText(key: string): string {
  const isPlain = /^[A-Za-z_][\w./-]{0,99}$/.test(key) && resolvePlain(key).type === "string";
  return isPlain ? key : doubleQuoted(key);
}

function quoted(text: string): string {
  if (/^[A-Za-z/][\w./+-]*$/.test(text) && resolvePlain(text).type === "string") return text;
  if (!/^[\x20-\x7e]*$/.test(text)) return doubleQuoted(text);
  return /["\\]/.test(text) ? `'${text.replaceAll("'", "''")}'` : `"${text}"`;
}

/** JSON's escapes are YAML's; what YAML takes for the end of a line, or editors do not show, is escaped too. */
function doubleQuoted(text: string): string {
  return JSON.stringify(text).replaceAll(
    /[\u007f-\u009f\u2028\u2029\ufeff]/g,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
