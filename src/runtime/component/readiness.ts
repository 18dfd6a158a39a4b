import type { ComponentSpec } from "../../component.ts";
import { parseFields } from "../../metadata/parse.ts";
import { componentFields, type ComponentSettings } from "./component-fields.ts";
import type { ComponentStatus } from "../status.ts";

export type Readiness = ComponentStatus["readiness"];

const names = ["readiness", "required"] as const;
const fields = { readiness: componentFields.readiness, required: componentFields.required };

/** `required: true` is another way to say `readiness: required`. */
export function readinessOf({
  readiness,
  required,
}: Pick<ComponentSettings, (typeof names)[number]>): Readiness {
  return required ? "required" : readiness;
}

/**
 * What a component says about its readiness, whatever keeps the rest of it from being read: one that is required is
 * missing before it was ever open, too. Never rejects.
 */
export async function readReadiness(spec: ComponentSpec): Promise<Readiness> {
  const says = spec.properties.some(({ name }) => names.some((one) => one === name.toLowerCase()));
  if (!says) return "optional";
  try {
    const { values } = await spec.resolve(names);
    return readinessOf(parseFields(fields, values, { unknown: false }).values);
  } catch {
    return "optional";
  }
}
