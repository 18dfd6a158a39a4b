import { BindingError, messageOf } from "../../errors.ts";
import { parseDuration } from "../../metadata/duration.ts";
import { jsonKind, jsonMembers } from "../../text/json-members.ts";

const longestShown = 200;
const int64Range = [-(2n ** 63n), 2n ** 63n - 1n] as const;
const int32Range = [-(2n ** 31n), 2n ** 31n - 1n] as const;
const nanosecond = 1e-6;

/**
 * The data of a call: a JSON object, whose names are read in any case, as Go does. Each reader gives `undefined` for a
 * member that is absent or null, and throws a `BindingError` for one of another type, in Go's words.
 */
export class Payload {
  readonly #name: string;
  readonly #members = new Map<string, string>();

  /** `name`: what Dapr calls the payload in its messages. Throws a `BindingError`. */
  constructor(data: Uint8Array | undefined, name: string) {
    this.#name = name;
    const json = Buffer.from(data ?? []).toString("utf8");
    if (json.trim() === "") throw invalid("unexpected end of JSON input");
    let members;
    try {
      members = jsonMembers(json);
    } catch (error) {
      throw invalid(`the data is not valid JSON: ${messageOf(error)}`);
    }
    const kind = jsonKind(json.trim());
    if (members === undefined && kind !== "null")
      throw invalid(`json: cannot unmarshal ${kind} into Go value of type command.${name}`);
    for (const [key, text] of members ?? []) this.#members.set(key.toLowerCase(), text);
  }

  text(name: string): string | undefined {
    const json = this.#json(name);
    if (json === undefined) return undefined;
    if (jsonKind(json) !== "string") throw this.#wrong(name, json, "string");
    return JSON.parse(json) as string;
  }

  bool(name: string): boolean | undefined {
    const json = this.#json(name);
    if (json === undefined) return undefined;
    if (jsonKind(json) !== "bool") throw this.#wrong(name, json, "bool");
    return json === "true";
  }

  /** A key; also as a text of digits, for clients that have no such integers. */
  key(name: string): bigint | undefined {
    return this.#integer(name, "int64", int64Range);
  }

  int32(name: string): number | undefined {
    const value = this.#integer(name, "int32", int32Range);
    return value === undefined ? undefined : Number(value);
  }

  texts(name: string): readonly string[] | undefined {
    const json = this.#json(name);
    if (json === undefined) return undefined;
    const value: unknown = JSON.parse(json);
    if (!Array.isArray(value)) throw this.#wrong(name, json, "[]string");
    const wrong: unknown = value.find((one) => typeof one !== "string" && one !== null);
    if (wrong !== undefined) throw this.#wrong(name, JSON.stringify(wrong), "string");
    return value.map((one: unknown) => (typeof one === "string" ? one : ""));
  }

  /** Milliseconds. */
  duration(name: string): number | undefined {
    const json = this.#json(name);
    if (json === undefined) return undefined;
    const kind = jsonKind(json);
    if (kind === "number") return Math.trunc(Number(json)) * nanosecond;
    const text: unknown = kind === "string" ? JSON.parse(json) : undefined;
    const hasUnit = typeof text === "string" && (/[a-zµμ]$/.test(text) || text === "0");
    const value = hasUnit ? parseDuration(text, 1) : undefined;
    if (value !== undefined) return value;
    const why =
      typeof text === "string"
        ? `time: invalid duration ${JSON.stringify(text.slice(0, longestShown))}`
        : "invalid duration";
    throw invalid(
      `invalid value ${json.slice(0, longestShown)} for field '${name}' (expected a Go duration string, e.g. "30s", "5m", "1h30m", or a plain integer nanoseconds value): ${why}`,
    );
  }

  /** Any JSON, as it was written. */
  json(name: string): string | undefined {
    return this.#json(name);
  }

  #json(name: string): string | undefined {
    const json = this.#members.get(name.toLowerCase());
    return json === "null" ? undefined : json;
  }

  #integer(
    name: string,
    type: string,
    [least, most]: readonly [bigint, bigint],
  ): bigint | undefined {
    const json = this.#json(name);
    if (json === undefined) return undefined;
    const digits = type === "int64" ? json.replace(/^"(-?\d+)"$/, "$1") : json;
    if (!/^-?\d{1,20}$/.test(digits)) throw this.#wrong(name, json, type);
    const value = BigInt(digits);
    if (value < least || value > most) throw this.#wrong(name, json, type);
    return value;
  }

  #wrong(name: string, json: string, type: string): BindingError {
    const kind = jsonKind(json);
    const shown = kind === "number" ? `number ${json.slice(0, longestShown)}` : kind;
    return invalid(
      `json: cannot unmarshal ${shown} into Go struct field ${this.#name}.${name} of type ${type}`,
    );
  }
}

/** The value, or the error that Dapr has for its absence. */
export function required<Value>(name: string, value: Value | undefined): Value {
  if (value === undefined || value === "") throw invalid(`${name} is a required attribute`);
  return value;
}

export function invalid(message: string): BindingError {
  return new BindingError("invalid_argument", message);
}
