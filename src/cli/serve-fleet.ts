import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import type { Command } from "commander";
import type { OpenedFleet } from "../fleet/open-fleet.ts";
import type { RuntimeLogger } from "../runtime/runtime-logger.ts";
import type { ComponentStatus } from "../runtime/status.ts";
import type { Store } from "../store/store.ts";

/** What a replica is told of the others. */
export type FleetOptions = {
  /** The id of this replica; `undefined`: its host's name, and eight hexadecimal digits. */
  readonly replicaId: string | undefined;
  /** Inputs whose source cannot be shared are singletons, where their component does not say otherwise. */
  readonly singleton: boolean;
};

/** Adds the flags of {@link FleetOptions}. */
export function addFleetOptions(command: Command): Command {
  return command
    .option(
      "--singleton [bool]",
      "one replica of the app reads each source of which every replica would get all",
    )
    .option(
      "--replica-id <id>",
      "this replica's name among those that share the store; default the host's name and 8 digits",
    );
}

/** Adds to the problems what is no name. */
export function readReplicaId(id: string | undefined, problems: string[]): string | undefined {
  // One that is empty comes from a variable that is not set, and would be the same for all replicas.
  const isName = id === undefined || (id.trim() !== "" && id.length <= 253 && !/\p{Cc}/u.test(id));
  if (!isName)
    problems.push(
      `--replica-id ${JSON.stringify(id)} is no name of 1 to 253 characters; leave it out to have one made`,
    );
  return id;
}

/** Joins the replicas that share the store; `undefined`: this process has it alone. */
export async function joinFleet(
  { replicaId, singleton }: FleetOptions,
  store: Pick<Store, "shared" | "leases" | "replicas" | "deadLetters">,
  components: () => readonly ComponentStatus[],
  logger: RuntimeLogger,
): Promise<OpenedFleet | undefined> {
  if (!store.shared) {
    if (singleton) logger.info({}, aloneSingleton);
    return undefined;
  }
  const { openFleet } = await import("../fleet/open-fleet.ts");
  const replica = replicaId ?? `${hostname()}-${randomBytes(4).toString("hex")}`;
  logger.info({ replica, singleton }, "this replica shares its store with others of the app");
  return openFleet({
    ...{ store, replica, singleton },
    components: () => components().map(announced),
    logger: logger.child({ part: "fleet" }),
  });
}

const aloneSingleton =
  "--singleton: this process has its store alone, so it reads all sources at once; --store nats://HOST shares a store with other replicas";

function announced(status: ComponentStatus) {
  const { name, type, state, reason, inFlight, backlog, backlogIsPart } = status;
  return {
    ...{ name, type, state, reason, inFlight },
    ...(backlog !== undefined && { backlog }),
    ...(backlogIsPart && { backlogIsPart }),
  } as const;
}
