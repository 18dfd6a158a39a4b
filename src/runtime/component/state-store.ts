import type { ComponentSpec } from "../../component.ts";

/** A state store takes the states of replies, and cannot be invoked from outside. */
export function isStateStore({ type }: Pick<ComponentSpec, "type">): boolean {
  return type.toLowerCase().startsWith("state.");
}

/** What it is, for whoever expects Dapr's state API. */
export const stateStoreNotice = "a store for the states of replies only; there is no state API";
