import type { AnyBinding } from "../binding.ts";
import type { ComponentSpec } from "../component.ts";
import type { DriverVersions } from "../drivers.ts";
import type { Fields } from "../metadata/fields.ts";
import { parseFields } from "../metadata/parse.ts";
import { documentOf } from "./component-spec.ts";
import { givenAll, resolveProperties } from "./property-findings.ts";
import { findBinding } from "./visibility.ts";

/** The drivers that loaded components will load, as far as their settings can be read now. */
export async function neededDrivers(
  components: readonly ComponentSpec[],
  bindings: readonly AnyBinding[],
): Promise<DriverVersions> {
  const needed: Record<string, string> = {};
  for (const component of components) {
    const binding = findBinding(bindings, component.type);
    if (binding?.drivers === undefined) continue;
    const isNeeded = await driverFilter(component, binding);
    for (const [name, version] of Object.entries(binding.drivers))
      if (isNeeded(name)) needed[name] = version;
  }
  return needed;
}

async function driverFilter(
  component: ComponentSpec,
  binding: AnyBinding,
): Promise<(name: string) => boolean> {
  const loaded = documentOf(component);
  if (binding.needsDriver === undefined || loaded === undefined) return () => true;
  const { values, missing } = await resolveProperties(loaded.document, loaded.resolver, {
    remote: "known",
  });
  const metadata = parseFields(binding.metadata as Fields, givenAll(values, missing)).values;
  return (name) => binding.needsDriver?.(name, metadata) ?? true;
}
