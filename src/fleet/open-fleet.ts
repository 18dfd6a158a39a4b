import type { Logger } from "../logger.ts";
import type { ReplicaComponent } from "../store/replicas.ts";
import type { Store } from "../store/store.ts";
import { Presence } from "./presence.ts";
import { ReplicaFleet } from "./replica-fleet.ts";

export type OpenFleetOptions = {
  readonly store: Pick<Store, "leases" | "replicas">;
  readonly replica: string;
  readonly singleton: boolean;
  /** The components as they are now. */
  readonly components: () => readonly Omit<ReplicaComponent, "owns" | "since">[];
  readonly logger: Logger;
};

export type OpenedFleet = {
  readonly fleet: ReplicaFleet;
  /** Gives up what is left, and tells the others that this replica goes. */
  close(): Promise<void>;
};

/** Joins the replicas that share the store: watches who owns what, and announces this one. */
export function openFleet(options: OpenFleetOptions): OpenedFleet {
  const { store, replica, singleton, logger } = options;
  const fleet = new ReplicaFleet({ leases: store.leases, replica, singleton, logger });
  const presence = new Presence({
    ...{ replicas: store.replicas, replica, logger },
    components: () => {
      const owned = new Map(fleet.owners().map((owner) => [owner.component, owner]));
      return options.components().map((component) => {
        const owner = owned.get(component.name);
        const owns = owner?.replica === replica;
        return { ...component, owns, ...(owns && { since: owner.since }) };
      });
    },
  });
  fleet.onOwners(() => presence.changed());
  fleet.start();
  presence.start();
  return {
    fleet,
    async close() {
      await Promise.all([fleet.close(), presence.close()]);
    },
  };
}
