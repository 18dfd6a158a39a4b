import { BindingError } from "../../../errors.ts";

type Json = Readonly<Record<string, unknown>>;

/** The object that a call's data are; of JSON's null it has nothing. Throws a `BindingError`. `what` begins its text. */
export function readJson(data: Uint8Array, what = ""): Json {
  const fail = (why: string): BindingError => new BindingError("invalid_argument", `${what}${why}`);
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("utf8"));
  } catch {
    throw fail(data.length === 0 ? "unexpected end of JSON input" : "the data is no JSON");
  }
  if (value === null) return {};
  if (typeof value !== "object" || Array.isArray(value)) throw fail("the data is no JSON object");
  return value as Json;
}

/** JSON as Go writes it. */
export function goJson(value: unknown): Uint8Array {
  const text = JSON.stringify(value).replaceAll(
    /[<>&\u2028\u2029]/g,
    (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return Buffer.from(text);
}
