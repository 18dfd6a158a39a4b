import type { AnyBinding } from "../binding.ts";
import { closest } from "../metadata/suggest.ts";
import type { ComponentDocument } from "./component-document.ts";
import type { Finding } from "./tree.ts";
import type { StoreTypes } from "./store-types.ts";
import { findBinding } from "./visibility.ts";

/** What a component is to us. `left out`: it belongs to a building block of Dapr's that is not ours. */
export type Role = "binding" | "state store" | "secret store" | "left out" | "unknown";

/** The building blocks by which Dapr's component types begin. */
export const blocks = (
  "bindings state secretstores pubsub configuration lock middleware crypto conversation " +
  "nameresolution workflowbackend workflow"
).split(" ");

export function roleOf(type: string): Role {
  if (type.startsWith("bindings.")) return "binding";
  // Where the states of an app's reply can go.
  if (type.toLowerCase() === "state.redis") return "state store";
  if (type.startsWith("secretstores.")) return "secret store";
  return type.includes(".") && blocks.includes(blockOf(type)) ? "left out" : "unknown";
}

/** What is wrong with a type that no lint of bindings would find. */
export function typeFinding(
  document: ComponentDocument,
  bindings: readonly AnyBinding[],
  stores: StoreTypes,
): Finding | undefined {
  const { type, typeRange } = document;
  const role = roleOf(type);
  if (role === "secret store" && !stores.has(type)) {
    const ours = stores.names;
    const list = `${ours.slice(0, -1).join(", ")} and ${ours.at(-1)}`;
    const message = `secret stores of type ${JSON.stringify(type)} are not supported; ${list} are`;
    return { severity: "error", range: typeRange, message, suggestion: closest(type, ours) };
  }
  if (role !== "unknown") return undefined;
  return {
    severity: "error",
    range: typeRange,
    message: `type ${JSON.stringify(type)} is not known`,
    suggestion: meant(type, bindings),
  };
}

function meant(type: string, bindings: readonly AnyBinding[]): string | undefined {
  if (findBinding(bindings, `bindings.${type}`)) return `bindings.${type}`;
  const block = type.includes(".") ? closest(blockOf(type), blocks) : undefined;
  if (block === undefined) return undefined;
  const corrected = block + type.slice(blockOf(type).length);
  return block === "bindings" ? closestBindingType(corrected, bindings) : corrected;
}

/** The type of ours that a misspelt one most likely meant, itself if it is one. */
export function closestBindingType(
  type: string,
  bindings: readonly AnyBinding[],
): string | undefined {
  const known = bindings.flatMap(({ name, aliases = [] }) =>
    [name, ...aliases].map((one) => `bindings.${one}`),
  );
  const longer = known.filter((one) => one.startsWith(`${type.toLowerCase()}.`));
  return closest(type, known) ?? (longer.length === 1 ? longer[0] : undefined);
}

function blockOf(type: string): string {
  return type.split(".", 1)[0] ?? type;
}
