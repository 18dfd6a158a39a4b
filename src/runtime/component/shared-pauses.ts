import type { Store } from "../../store/store.ts";
import type { Component } from "./component.ts";

/**
 * Takes over the pauses of other replicas, and their ends, where a store is shared. The result ends that.
 */
export function followPauses(
  store: Pick<Store, "shared" | "pauses"> | undefined,
  componentsOf: (name: string) => readonly Component[],
): () => void {
  if (store?.shared !== true) return () => undefined;
  return store.pauses.watch((name, stored) => {
    const pause = stored && { ...stored, since: new Date(stored.since) };
    for (const component of componentsOf(name)) component.input.told(pause, component.drainTimeout);
  });
}
