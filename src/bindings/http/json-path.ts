import { BindingError } from "../../errors.ts";

/** Names and indices from the outermost value inwards. */
export type JsonPath = readonly string[];

/** Reads a JSON pointer (`/data/items`) or a dotted path (`data.items`, `$.data.items`, `$` for the whole). */
export function parsePath(text: string): { value: JsonPath } | { problem: string } {
  if (text.startsWith("/")) {
    if (/~(?![01])/.test(text)) return { problem: "has a ~ that is neither ~0 nor ~1" };
    const names = text.slice(1).split("/");
    return { value: names.map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~")) };
  }
  const rest = text.replace(/^\$\.?/, "");
  if (rest === "") return text === "" ? { problem: "must not be empty" } : { value: [] };
  const names = rest.split(".");
  return names.includes("") ? { problem: "has an empty name" } : { value: names };
}

/** What is at the path; `-1` is the last element of an array. `undefined`: nothing. */
export function valueAt(whole: unknown, path: JsonPath): unknown {
  let value = whole;
  for (const name of path) {
    if (Array.isArray(value)) {
      if (!/^(-1|0|[1-9]\d*)$/.test(name)) return undefined;
      value = (value as unknown[]).at(Number(name));
    } else if (typeof value === "object" && value !== null && Object.hasOwn(value, name)) {
      value = (value as Record<string, unknown>)[name];
    } else return undefined;
  }
  return value;
}

/** A value as a text: a string itself, anything else as JSON. `undefined`: there is none, or it is null. */
export function textAt(whole: unknown, path: JsonPath): string | undefined {
  const value = valueAt(whole, path);
  if (value === undefined || value === null) return undefined;
  return typeof value === "string" ? value : JSON.stringify(value);
}

// TypeScript's library does not have them yet.
const json = JSON as unknown as {
  rawJSON(text: string): unknown;
  parse(
    text: string,
    revive: (name: string, value: unknown, at: { source?: string }) => unknown,
  ): unknown;
};
const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Parses a body. Numbers that JavaScript would write differently, such as those beyond 2^53, keep their digits. The
 * error quotes nothing of the body.
 */
export function parseBody(body: Uint8Array): unknown {
  try {
    return json.parse(utf8.decode(body), (_name, value, { source }) =>
      typeof value === "number" && source !== undefined && String(value) !== source
        ? json.rawJSON(source)
        : value,
    );
  } catch {
    throw new BindingError("failed_precondition", "the answer is no JSON");
  }
}
