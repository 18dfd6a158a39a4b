import { BindingError } from "../errors.ts";
import { createStore, loadNatsStore } from "../store/open-store.ts";
import { stateFolder } from "../store/state-folder.ts";
import type { CheckedStore, StoreLogger } from "../store/store.ts";
import type { ServeOptions } from "./serve-options.ts";
import { UsageError } from "./usage-error.ts";

export type ServeStoreOptions = {
  /** Everything is kept in memory, and forgotten. */
  readonly inMemory: boolean;
  readonly logger: StoreLogger;
  readonly onExpired: (component: string, count: number) => void;
};

/** The store of a runtime, by its flags. Rejects with a `UsageError` where what they say cannot be meant. */
export async function openServeStore(
  options: Pick<ServeOptions, "appId" | "stateDir" | "store" | "retention" | "driversFolder">,
  { inMemory, logger, onExpired }: ServeStoreOptions,
): Promise<CheckedStore> {
  const { appId, stateDir, store: place, retention, driversFolder } = options;
  if (inMemory || place === undefined) {
    const folder = inMemory ? ":memory:" : stateFolder(appId, stateDir, process.env);
    return createStore({ folder, retention, logger, onExpired });
  }
  const { createNatsStore, readNatsSettings } = await loadNatsStore();
  const { servers, credentialsFile, durability, replicas, monitoring } = place;
  try {
    const settings = await readNatsSettings(servers, credentialsFile, process.env);
    return createNatsStore({
      ...{ appId, settings, driversFolder, replicas, retention, logger, onExpired },
      durability: { mode: durability, monitoring },
    });
  } catch (error) {
    if (error instanceof BindingError && error.reason === "invalid_argument")
      throw new UsageError(`--store: ${error.message}`);
    throw error;
  }
}
