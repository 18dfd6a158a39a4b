import type { Collection } from "../kubernetes-client/client.ts";

/** The API group of Dapr's resources. */
export const group = "dapr.io";
const version = "v1alpha1";

/** The kinds that the runtime reads, with their names in the API. */
export const plurals = {
  Component: "components",
  Resiliency: "resiliencies",
  Configuration: "configurations",
} as const;

export type Kind = keyof typeof plurals;

/** The objects of a kind in a namespace. */
export function collectionOf(kind: Kind, namespace: string): Collection {
  return {
    path: `/apis/${group}/${version}/namespaces/${encodeURIComponent(namespace)}/${plurals[kind]}`,
    name: `${plurals[kind]}.${group} in the namespace ${namespace}`,
  };
}
