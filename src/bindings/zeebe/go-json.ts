type Json = string | number | bigint | boolean | undefined | Uint8Array | readonly Json[] | Tree;
interface Tree {
  readonly [name: string]: Json;
}

const escapes = /[<>&\u2028\u2029]/g;

/** As Go writes a text: `<`, `>` and `&` are escaped. */
function goText(text: string): string {
  return JSON.stringify(text).replaceAll(
    escapes,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Whether Go leaves it out of a message. */
function isZero(value: Json): boolean {
  return (
    value === undefined ||
    value === "" ||
    value === 0 ||
    value === 0n ||
    value === false ||
    (Array.isArray(value) && value.length === 0)
  );
}

/** A message as Go's `encoding/json` writes the struct of it: what is zero is left out, integers have all their digits. */
export function goJson(value: Json): string {
  if (typeof value === "string") return goText(value);
  if (Array.isArray(value)) return `[${value.map((one: Json) => goJson(one)).join(",")}]`;
  if (typeof value !== "object" || value instanceof Uint8Array) return String(value);
  const members = Object.entries(value)
    .filter(([, one]) => !isZero(one))
    .map(([name, one]) => `${goText(name)}:${goJson(one)}`);
  return `{${members.join(",")}}`;
}
