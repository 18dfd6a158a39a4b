import type { Logger } from "../binding.ts";
import type { MemoryBudget } from "../memory/budget.ts";
import type { Relay } from "../runtime/relay.ts";
import { loadNatsStore } from "../store/open-store.ts";
import type { ReplicaStore } from "../store/replicas.ts";
import type { CheckedStore } from "../store/store.ts";
import type { ServeOptions } from "./serve-options.ts";

export type ServeRelayOptions = {
  readonly store: Pick<CheckedStore, "doubt"> & { readonly replicas: Pick<ReplicaStore, "list"> };
  /** The id of this replica; `undefined`: this process has its store alone. */
  readonly replica: string | undefined;
  readonly memory: MemoryBudget;
  readonly logger: Logger;
};

/** What components with `relay` go through; its code is loaded with the first of them. `undefined`: the store is not shared. */
export function serveRelay(
  options: Pick<ServeOptions, "appId" | "store" | "driversFolder">,
  { store, replica, memory, logger }: ServeRelayOptions,
): (Relay & AsyncDisposable) | undefined {
  const { appId, store: place, driversFolder } = options;
  if (place === undefined || replica === undefined) return undefined;
  let opened: Promise<Relay & AsyncDisposable> | undefined;
  const open = async (): Promise<Relay & AsyncDisposable> => {
    const [{ createNatsRelay }, { readNatsSettings }] = await Promise.all([
      import("../relay/nats-relay.ts"),
      loadNatsStore(),
    ]);
    const settings = await readNatsSettings(place.servers, place.credentialsFile, process.env);
    return createNatsRelay({
      ...{ appId, replica, settings, driversFolder, replicas: place.replicas, store, logger },
      doubt: async (stream) => store.doubt?.(stream),
      memory: memory.share("relay"),
    });
  };
  return {
    async open(opening) {
      opened ??= open();
      return (await opened).open(opening);
    },
    async [Symbol.asyncDispose]() {
      await (await opened?.catch(() => undefined))?.[Symbol.asyncDispose]();
    },
  };
}
