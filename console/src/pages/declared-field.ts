import type { Field } from "../../../gen/cufflink/v1/binding_types_pb.ts";
import type { Pair } from "../ui/pair.ts";

/** What is wrong with the value of a field. Empty: nothing that can be seen here; the daemon has the last word. */
export function declaredProblem(
  { name, type, required, allowedValues }: Field,
  value: string,
): string {
  if (value === "") return required ? `${name} must be set.` : "";
  if (allowedValues.length > 0 && !allowedValues.includes(value))
    return `${name} is one of ${allowedValues.join(", ")}.`;
  if (type === "number" && !/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value.trim()))
    return `${name} is a number.`;
  if (type === "duration" && !/^\s*[+-]?\d/.test(value))
    return `${name} is a duration, such as 500ms, 10s or 5m.`;
  return "";
}

/** The metadata of a call: what was set of the declared fields, and the others. */
export function metadataOf(
  values: Readonly<Record<string, string>>,
  others: readonly Pair[],
): Record<string, string> {
  const given = Object.entries(values).filter(([, value]) => value !== "");
  const added = others.filter(({ name }) => name !== "");
  return Object.fromEntries([...given, ...added.map(({ name, value }) => [name, value] as const)]);
}
