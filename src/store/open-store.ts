import { createHomelessStore } from "./homeless-store.ts";
import { createSqliteStore, type SqliteStoreOptions } from "./sqlite/sqlite-store.ts";
import type { CheckedStore } from "./store.ts";

export type StoreOptions = Omit<SqliteStoreOptions, "folder"> & {
  /** Where its files lie. `:memory:`: in memory, for tests. `undefined`: there is no place, and nothing can be kept. */
  readonly folder: string | undefined;
};

/** The store of an app. Nothing is opened before there is something to write, or to read. */
export function createStore(options: StoreOptions): CheckedStore {
  const { folder } = options;
  if (folder === undefined) return createHomelessStore(options.logger);
  return createSqliteStore({ ...options, folder });
}

/** The engine on NATS, which costs nobody anything who does not have it. */
export async function loadNatsStore() {
  const [{ createNatsStore }, { readNatsSettings }] = await Promise.all([
    import("./nats/nats-store.ts"),
    import("./nats/settings.ts"),
  ]);
  return { createNatsStore, readNatsSettings };
}
