import { BindingError, messageOf } from "../errors.ts";
import { isList, parseJson, readSimpleList, type JsonValue } from "./json-text.ts";
import { durationText, instantText, now } from "./timing.ts";

/** The parameters of a call: by place, or by name. */
export type GivenParameters = readonly JsonValue[] | ReadonlyMap<string, JsonValue>;

/** The statement of a call. Throws a `BindingError`. */
export function requiredSql(sql: string | undefined): string {
  if (!sql) throw new BindingError("invalid_argument", "required metadata not set: sql");
  if (sql.includes("\0"))
    throw new BindingError("invalid_argument", "sql has a NUL character in it");
  return sql;
}

/** Reads `params`: a JSON array, or a JSON object. Throws a `BindingError`. */
export function readParameters(params: string | undefined): GivenParameters {
  if (params === undefined || params === "") return [];
  let given: JsonValue;
  try {
    given = readSimpleList(params) ?? parseJson(params);
  } catch (error) {
    throw notAnArray(messageOf(error));
  }
  // Go reads null as an array without elements.
  if (given === null) return [];
  if (isList(given) || given instanceof Map) return given;
  throw notAnArray("it is neither an array nor an object");
}

/** The values of the names, in their order. Throws a `BindingError` for one that is not given. */
export function valuesOf(
  names: readonly string[],
  mark: string,
  given: ReadonlyMap<string, JsonValue>,
): readonly JsonValue[] {
  return names.map((name) => {
    const value = given.get(name);
    if (value !== undefined) return value;
    throw new BindingError(
      "invalid_argument",
      `invalid metadata property params: the statement names ${mark}${name}, which is not in it`,
    );
  });
}

/** What Dapr's bindings of databases tell of a call that has ended, by {@link now} when it began. */
export function timesOf(operation: string, sql: string, started: number): Record<string, string> {
  const ended = now();
  return {
    operation,
    sql,
    "start-time": instantText(started),
    "end-time": instantText(ended),
    duration: durationText(ended - started),
  };
}

function notAnArray(why: string): BindingError {
  return new BindingError(
    "invalid_argument",
    `invalid metadata property params: failed to unserialize into an array: ${why}`,
  );
}
