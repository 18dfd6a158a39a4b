import type { AnyBinding } from "../../binding.ts";
import { formatOrigin, type ComponentSpec } from "../../component.ts";
import type { Fields } from "../../metadata/fields.ts";
import type { OwnPolicy } from "../../policy/policies.ts";
import type { Direction } from "../../policy/resiliency.ts";
import { defaultOutboundPolicy, type RetryPolicy } from "../../policy/retry.ts";
import { componentFields, inboundPolicy, type ComponentSettings } from "./component-fields.ts";

/** What a component's metadata, and its binding, say about repeating; with which of them say so. */
export function ownPolicies(
  spec: ComponentSpec,
  binding: AnyBinding,
  metadata: Readonly<Record<string, unknown>>,
  settings: ComponentSettings,
): Record<Direction, OwnPolicy> {
  const inbound = derive(spec, binding, metadata, "inbound");
  const outbound = derive(spec, binding, metadata, "outbound");
  const backOff = Object.keys(componentFields).filter((name) => name.startsWith("backOff"));
  const said = written(spec, {}, backOff);
  return {
    inbound: {
      retry: inboundPolicy(settings, inbound.retry),
      source: said.length > 0 ? `metadata ${said.join(", ")}` : inbound.source,
    },
    outbound: { retry: { ...defaultOutboundPolicy, ...outbound.retry }, source: outbound.source },
  };
}

/** The binding's own word on it, and the metadata that it looked at. */
function derive(
  spec: ComponentSpec,
  binding: AnyBinding,
  metadata: Readonly<Record<string, unknown>>,
  direction: Direction,
): { retry: Partial<RetryPolicy>; source: string } {
  const read = new Set<string>();
  const watched = new Proxy(metadata, {
    get(values, name) {
      if (typeof name === "string") read.add(name);
      return Reflect.get(values, name) as unknown;
    },
  });
  const retry = binding.retry?.[direction]?.(watched) ?? {};
  const said = written(spec, binding.metadata as Fields, [...read]);
  if (said.length > 0) return { retry, source: `metadata ${said.join(", ")}` };
  const derived = Object.keys(retry).length > 0;
  return { retry, source: derived ? `default of bindings.${binding.name}` : "default" };
}

/** Which of the fields the component writes, each with its place. */
function written(spec: ComponentSpec, fields: Fields, names: readonly string[]): string[] {
  const known = names.flatMap((name) => [name, ...(fields[name]?.aliases ?? [])]);
  const wanted = new Set(known.map((name) => name.toLowerCase()));
  return spec.properties
    .filter(({ name }) => wanted.has(name.toLowerCase()))
    .map(({ name, origin }) => {
      const where = formatOrigin(origin);
      return where === "" ? name : `${name} (${where})`;
    });
}
