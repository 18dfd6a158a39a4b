import { BindingError } from "../../../errors.ts";

/**
 * The members of a JSON object that are known, each of the type of its default; names match in any case, as in Go. Throws
 * a `BindingError` for what is no such object. `prefix`: what its message begins with.
 */
export function payloadOf<const Members extends Readonly<Record<string, string | number>>>(
  data: Uint8Array | undefined,
  prefix: string,
  members: Members,
): { [Name in keyof Members]: Members[Name] extends number ? number : string } {
  const wrong = (why: string): BindingError => new BindingError("invalid_argument", prefix + why);
  const text = Buffer.from(data ?? []).toString("utf8");
  if (text.trim() === "") throw wrong("unexpected end of JSON input");
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw wrong("the data are no JSON");
  }
  const values: Record<string, string | number> = { ...members };
  if (json === null) return values as never;
  if (typeof json !== "object" || Array.isArray(json)) throw wrong("the data are no JSON object");
  for (const [written, value] of Object.entries(json)) {
    const name = Object.keys(members).find((one) => one.toLowerCase() === written.toLowerCase());
    if (name === undefined || value === null) continue;
    if (
      typeof value !== typeof members[name] ||
      (typeof value === "number" && !Number.isInteger(value))
    )
      throw wrong(`${name} is no ${typeof members[name] === "number" ? "whole number" : "text"}`);
    values[name] = value as string | number;
  }
  return values as never;
}
