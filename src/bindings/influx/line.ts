import { BindingError } from "../../errors.ts";

/** What Dapr says of a payload that it cannot use. */
const unusable = "influx error: Cannot convert request data";

/**
 * The line of InfluxDB's line protocol for a payload: a JSON object with `measurement`, `tags` and `values`, which are
 * written as in a line. Throws a `BindingError` for what would not be one line with these three parts.
 */
export function lineOf(data: Uint8Array | undefined): string {
  let point: unknown;
  try {
    point = JSON.parse(Buffer.from(data ?? []).toString("utf8"));
  } catch {
    throw refused("it is no JSON");
  }
  if (typeof point !== "object" || point === null || Array.isArray(point))
    throw refused("it is no JSON object");
  const measurement = textOf(point, "measurement");
  const tags = textOf(point, "tags");
  const values = textOf(point, "values");
  if (!measurement) throw refused("it has no measurement");
  if (!values) throw refused("it has no values");
  if (measurement.startsWith("#")) throw refused("its measurement would make the line a comment");
  if (hasControls(measurement) || !/^(?:[^ ,\\]|\\.)+$/.test(measurement))
    throw refused("its measurement has a line break, or a space or comma without a backslash");
  if (hasControls(tags) || !/^(?:[^ \\]|\\.)*$/.test(tags))
    throw refused("its tags have a line break, or a space without a backslash");
  if (values.includes("\0") || (hasControls(values) && !plainFields.test(values)))
    throw refused("its values have a line break outside of a quoted text");
  return tags === "" ? `${measurement} ${values}` : `${measurement},${tags} ${values}`;
}

/** A value of a field: a quoted text, which may have line breaks, or something plain. */
const value = String.raw`(?:"(?:[^"\\]|\\[^])*"|[^\s,="\\]+)`;
/** Fields whose keys are plain, so that it is sure where a quoted text begins and ends, and perhaps a timestamp. */
const plainFields = new RegExp(
  String.raw`^[^\s,="\\]+=${value}(?:,[^\s,="\\]+=${value})*(?: -?\d+)?$`,
);

function hasControls(text: string): boolean {
  // oxlint-disable-next-line no-control-regex -- the very characters that end a line, and their like
  return /[\x00-\x1f\x7f]/.test(text);
}

function textOf(point: object, name: string): string {
  const value: unknown = (point as Readonly<Record<string, unknown>>)[name];
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return value;
  throw refused(`its ${name} is no text`);
}

function refused(why: string): BindingError {
  return new BindingError("invalid_argument", `${unusable}: ${why}`);
}
