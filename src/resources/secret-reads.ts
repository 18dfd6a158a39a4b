import type { OpenStore, SecretValues } from "./open-store.ts";
import type { RemoteRead, SecretStores } from "./secret-stores.ts";

/**
 * The secrets of one load of the resources. Of a remote store each is read once: who asks for it later, or at the same
 * time, gets what was read. One that could not be read, or is not there, is asked for again by the next who needs it.
 */
export class SecretReads {
  readonly #stores: SecretStores;
  readonly #read = new Map<string, RemoteRead>();
  readonly #running = new Map<string, Promise<SecretValues | undefined>>();
  readonly #opening = new Map<string, Promise<OpenStore>>();

  constructor(stores: SecretStores) {
    this.#stores = stores;
  }

  /** All that was read of remote stores, by store and secret. It grows. */
  get all(): ReadonlyMap<string, RemoteRead> {
    return this.#read;
  }

  /** What was read already; `undefined`: nothing was, or it was not there. */
  known(storeName: string, name: string, namespace: string): SecretValues | undefined {
    return this.#read.get(keyOf(storeName, name, namespace))?.values;
  }

  /** `open`: makes the store of its definition; called once for all its secrets, as long as it does not fail. */
  remote(
    storeName: string,
    name: string,
    namespace: string,
    open: () => Promise<OpenStore>,
  ): Promise<SecretValues | undefined> {
    const key = keyOf(storeName, name, namespace);
    const found = this.#read.get(key);
    if (found?.isKnown && found.values !== undefined) return Promise.resolve(found.values);
    const running = this.#running.get(key) ?? this.#start(key, storeName, name, namespace, open);
    this.#running.set(key, running);
    return running;
  }

  async #start(
    key: string,
    storeName: string,
    name: string,
    namespace: string,
    open: () => Promise<OpenStore>,
  ): Promise<SecretValues | undefined> {
    try {
      const store = await this.#store(storeName, open);
      const read = await this.#stores.read(store, name, namespace);
      this.#read.set(key, { store, ...read });
      return read.values;
    } finally {
      this.#running.delete(key);
    }
  }

  #store(name: string, open: () => Promise<OpenStore>): Promise<OpenStore> {
    const before = this.#opening.get(name);
    if (before !== undefined) return before;
    const opening = open().then((store) => {
      this.#stores.watch(store);
      return store;
    });
    this.#opening.set(name, opening);
    opening.catch(() => this.#opening.delete(name));
    return opening;
  }
}

function keyOf(storeName: string, name: string, namespace: string): string {
  return JSON.stringify([storeName, namespace, name]);
}
