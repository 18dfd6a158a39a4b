import { BindingError } from "../errors.ts";
import { closest } from "../metadata/suggest.ts";
import type { ComponentStatus } from "./status.ts";

/** A component's state. Throws a `BindingError` where there is none of that name. */
export function findComponent(
  runtime: { readonly components: () => readonly ComponentStatus[] },
  name: string,
): ComponentStatus {
  const all = runtime.components();
  const status = all.find((one) => one.name === name);
  if (status !== undefined) return status;
  throw noComponent(
    name,
    all.map((one) => one.name),
  );
}

const mostNamed = 10;

/** The error for a name that no component has: with the nearest one, else with those that there are. */
export function noComponent(name: string, names: readonly string[]): BindingError {
  return new BindingError(
    "not_found",
    `no component is called ${JSON.stringify(name)}; ${nearestOf(name, names)}`,
  );
}

/** The name that was meant, else those that there are, in words. */
export function nearestOf(name: string, names: readonly string[]): string {
  const near = closest(name, names);
  if (near !== undefined) return `did you mean ${JSON.stringify(near)}?`;
  if (names.length === 0) return "there is none at all";
  const more = names.length > mostNamed ? ` and ${names.length - mostNamed} more` : "";
  return `there are: ${names.slice(0, mostNamed).join(", ")}${more}`;
}
