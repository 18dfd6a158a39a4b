import { isDeepStrictEqual } from "node:util";
import type { Logger } from "../binding.ts";
import type { DriversFolder } from "../drivers.ts";
import { BindingError, messageOf } from "../errors.ts";
import { formatDuration } from "../metadata/duration.ts";
import type { SecretStoreModule } from "../secret-store.ts";
import {
  isAway,
  OpenStore,
  usualLongestRead,
  type SecretValues,
  type StoreProperties,
} from "./open-store.ts";
import { StoreTypes } from "./store-types.ts";

export type SecretStoresOptions = {
  /** The types there are. Default: all of this package. */
  readonly modules?: readonly SecretStoreModule[];
  /** Where drivers are looked for, too. */
  readonly driversFolder?: DriversFolder;
  /** Default: nothing is logged. */
  readonly logger?: Logger;
  /** Called when a secret that the last load has read is another one now, of a store with a `refreshInterval`. */
  readonly onChange?: () => void;
  /** Milliseconds that reading one secret may take. Default 10,000. */
  readonly longestRead?: number;
};

/** A secret that a load has asked a remote store for. */
export type RemoteRead = {
  readonly store: OpenStore;
  readonly name: string;
  readonly namespace: string;
  /** What was read; `undefined`: there is no such secret. */
  values: SecretValues | undefined;
  /** When it could be read last, by this load or, while the store is away, by one before. */
  isKnown: boolean;
};

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/**
 * The secret stores that are open, from one load of the resources to the next: a store whose definition stays keeps its
 * connection and its log-in.
 */
export class SecretStores implements AsyncDisposable {
  readonly types: StoreTypes;
  readonly #options: SecretStoresOptions;
  readonly #logger: Logger;
  readonly #open = new Map<string, OpenStore>();
  /** What was read last, by store and secret, for as long as that store stays as it is. */
  readonly #last = new Map<
    string,
    { readonly fingerprint: string; readonly values: SecretValues }
  >();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  #away = new Set<string>();
  #reads: ReadonlyMap<string, RemoteRead> = new Map();
  #closed = false;

  constructor(options: SecretStoresOptions = {}) {
    this.#options = options;
    this.#logger = options.logger ?? silent;
    this.types = new StoreTypes(options.modules);
  }

  /** The store of this name, the open one where it is defined alike. Throws a `BindingError` for a wrong definition. */
  store(
    name: string,
    type: string,
    properties: StoreProperties,
    env: Readonly<Record<string, string | undefined>>,
  ): OpenStore {
    if (this.#closed) throw new BindingError("cancelled", "it is closed", { effect: "unsent" });
    const found = this.types.find(type);
    if (found === undefined) throw new Error(`${type} was not loaded`);
    const { driversFolder, longestRead = usualLongestRead } = this.#options;
    const made = new OpenStore(name, found, properties, {
      ...{ env, driversFolder, longestRead, logger: this.#logger },
    });
    // What is local is read anew each time, by the definition at hand.
    if (!found.isRemote) return made;
    const before = this.#open.get(name);
    if (before?.fingerprint === made.fingerprint) return before;
    if (before !== undefined) void before.retire();
    this.#open.set(name, made);
    return made;
  }

  /** Reads a secret, and remembers it. While the store is away, what was read last counts, if anything was. */
  async read(
    store: OpenStore,
    name: string,
    namespace: string,
  ): Promise<Omit<RemoteRead, "store">> {
    const key = JSON.stringify([store.name, namespace, name]);
    try {
      const values = await store.read(name, namespace);
      this.#back(store);
      if (values === undefined) this.#last.delete(key);
      else this.#last.set(key, { fingerprint: store.fingerprint, values });
      return { name, namespace, values, isKnown: true };
    } catch (thrown) {
      if (!isAway(thrown as Parameters<typeof isAway>[0])) throw thrown;
      this.#isAway(store, thrown);
      const last = this.#last.get(key);
      if (last === undefined || last.fingerprint !== store.fingerprint) throw thrown;
      return { name, namespace, values: last.values, isKnown: false };
    }
  }

  /** What was read last, if the store is still the one that it was read of. */
  lastOf(name: string, namespace: string, storeName: string): SecretValues | undefined {
    return this.#last.get(JSON.stringify([storeName, namespace, name]))?.values;
  }

  /**
   * Takes over what the newest load reads: stores that it does not have are closed, and the secrets of those with a
   * `refreshInterval` are compared from now on.
   */
  keep(names: ReadonlySet<string>, reads: ReadonlyMap<string, RemoteRead>): void {
    this.#reads = reads;
    for (const [name, store] of this.#open) {
      if (names.has(name)) continue;
      this.#open.delete(name);
      void store.retire();
    }
    for (const [name, timer] of this.#timers) {
      if (names.has(name)) continue;
      clearTimeout(timer);
      this.#timers.delete(name);
    }
  }

  /** A load has read of this store: from now on it is looked at again and again, if it says so. */
  watch(store: OpenStore): void {
    const { name, refreshInterval } = store;
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
    if (refreshInterval <= 0 || this.#closed) return;
    const timer = setTimeout(() => void this.#refresh(store), refreshInterval);
    this.#timers.set(name, timer.unref());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    await Promise.all([...this.#open.values()].map((store) => store[Symbol.asyncDispose]()));
    this.#open.clear();
  }

  async #refresh(store: OpenStore): Promise<void> {
    const reads = this.#reads;
    const own = [...reads.values()].filter((read) => read.store === store && read.isKnown);
    const changed = await Promise.all(own.map((read) => this.#hasChanged(read)));
    if (this.#closed || this.#reads !== reads || this.#open.get(store.name) !== store) return;
    this.watch(store);
    if (changed.includes(true)) this.#options.onChange?.();
  }

  async #hasChanged({ store, name, namespace, values }: RemoteRead): Promise<boolean> {
    try {
      const now = await store.read(name, namespace);
      this.#back(store);
      return !isDeepStrictEqual(now, values);
    } catch (thrown) {
      this.#isAway(store, thrown);
      return false;
    }
  }

  /** Said once, however many secrets cannot be read. */
  #isAway(store: OpenStore, reason: unknown): void {
    if (this.#away.has(store.name)) return;
    this.#away.add(store.name);
    const again =
      store.refreshInterval > 0 ? `read again every ${formatDuration(store.refreshInterval)}` : "";
    this.#logger.warn(
      { secretStore: store.name, reason: messageOf(reason), ...(again ? { secrets: again } : {}) },
      "the secret store cannot be read; components that have their secrets go on, others wait",
    );
  }

  #back(store: OpenStore): void {
    if (!this.#away.delete(store.name)) return;
    this.#logger.info({ secretStore: store.name }, "the secret store can be read again");
  }
}
