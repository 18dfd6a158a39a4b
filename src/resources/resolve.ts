import { randomUUID } from "node:crypto";
import { BindingError, messageOf } from "../errors.ts";
import { closest } from "../metadata/suggest.ts";
import type { ComponentDocument, Item } from "./component-document.ts";
import { deniedVariable } from "../denied-variable.ts";
import { expandTemplates, type Environment } from "./environment.ts";
import { isAway, type OpenStore, type SecretValues, type StoreProperties } from "./open-store.ts";
import { SecretReads } from "./secret-reads.ts";
import type { SecretStores } from "./secret-stores.ts";
import type { Range } from "./source.ts";
import { storeCircles } from "./store-circles.ts";

/** A property's text at this moment, and whether it came from the file or from somewhere that may be secret. */
export type ResolvedItem = {
  readonly text: string;
  readonly from: "file" | "environment" | "secret";
};

/** A property that has no value now. Its message never quotes a secret. */
export class Missing extends Error {
  readonly range: Range;
  readonly suggestion: string | undefined;

  constructor(range: Range, message: string, suggestion?: string) {
    super(message);
    this.range = range;
    this.suggestion = suggestion;
  }
}

/**
 * A secret of a remote store that was not read (yet), or cannot be read while the store is away: nothing can be said of
 * it. `last`: what it was before.
 */
export class Unread extends Missing {
  readonly last: string | undefined;

  constructor(range: Range, message: string, last?: string) {
    super(range, message);
    this.last = last;
  }
}

/** How secrets of remote stores are had: `read`: they are asked for and waited for; `known`: those that were read. */
export type Remote = "read" | "known";

export type ResolverOptions = {
  readonly environment: Environment;
  /** The definitions of secret stores, by name. */
  readonly documents: ReadonlyMap<string, ComponentDocument>;
  /** The stores that are open. */
  readonly stores: SecretStores;
  /** Those drawn before, so that a component has the same ones after a reload. */
  readonly uuids: Map<string, string[]>;
  readonly standIn?: SecretStandIn | undefined;
  /** The secret store of components that name none. */
  readonly usualStore?: string | undefined;
};

/**
 * Gives a text in place of a secret that cannot be read. With it no remote store is asked: theirs cannot be read, any of
 * them.
 */
export type SecretStandIn = (secret: {
  readonly component: string;
  /** The component's. */
  readonly type: string;
  readonly property: string;
  /** The store's name, empty where the component has none; the secret's; its key. */
  readonly store: string;
  readonly name: string;
  readonly key: string;
  /** Why it cannot be read. */
  readonly reason: string;
}) => string;

/**
 * Puts secrets, environment variables and templates into component properties. Local secrets are read anew each time,
 * those of remote stores once for this load of the resources.
 */
export class Resolver {
  readonly #environment: Environment;
  readonly #documents: ReadonlyMap<string, ComponentDocument>;
  readonly #stores: SecretStores;
  readonly #uuids: Map<string, string[]>;
  readonly #circles: ReadonlyMap<string, string>;
  readonly #standIn: SecretStandIn | undefined;
  readonly #usualStore: string | undefined;
  /** What this load has read of remote stores. */
  readonly reads: SecretReads;

  constructor({ environment, documents, stores, uuids, standIn, usualStore }: ResolverOptions) {
    this.#standIn = standIn;
    this.#usualStore = usualStore;
    this.#environment = environment;
    this.#documents = documents;
    this.#stores = stores;
    this.#uuids = uuids;
    this.#circles = storeCircles(documents, usualStore);
    this.reads = new SecretReads(stores);
  }

  /** The remote stores that the component's own secrets come from. */
  remoteStoresOf({ secretStore, items }: ComponentDocument): readonly string[] {
    const name = secretStore?.text ?? this.#usualStore ?? "";
    const store = this.#documents.get(name);
    if (this.#standIn !== undefined || store === undefined) return [];
    if (!items.some(({ secretKeyRef }) => secretKeyRef)) return [];
    if (this.#circles.has(name)) return [];
    const isRemote = this.#stores.types.find(store.type)?.isRemote === true;
    return [...(isRemote ? [name] : []), ...this.remoteStoresOf(store)];
  }

  /** Asks for all that the component needs of remote stores. Resolves once it is there, or cannot be had. Never rejects. */
  async readRemote(document: ComponentDocument): Promise<void> {
    if (this.remoteStoresOf(document).length === 0) return;
    const items = document.items.filter(({ secretKeyRef }) => secretKeyRef !== undefined);
    await Promise.allSettled(items.map((item) => this.resolve(document, item)));
  }

  /** @throws Missing when a secret is not there, or a template cannot be filled in. */
  async resolve(
    document: ComponentDocument,
    item: Item,
    remote: Remote = "read",
  ): Promise<ResolvedItem> {
    const raw = await this.#raw(document, item, remote);
    // Drawn once for a component, so that a name made of it stays when the component is opened again.
    let next = 0;
    const uuid = (): string => {
      const key = `${document.name}\0${item.name}`;
      const drawn = this.#uuids.get(key) ?? [];
      this.#uuids.set(key, drawn);
      return (drawn[next++] ??= randomUUID());
    };
    try {
      return { ...raw, text: expandTemplates(raw.text, this.#environment, uuid) };
    } catch (thrown) {
      const range = item.value?.range ?? item.nameRange;
      throw new Missing(range, `property ${JSON.stringify(item.name)} ${messageOf(thrown)}`);
    }
  }

  async #raw(document: ComponentDocument, item: Item, remote: Remote): Promise<ResolvedItem> {
    if (item.secretKeyRef !== undefined) {
      try {
        return {
          text: await this.#secret(document, item, item.secretKeyRef, remote),
          from: "secret",
        };
      } catch (thrown) {
        // As daprd: a value beside the reference stands in for it.
        if (!item.value?.text || (thrown instanceof Unread && remote === "known")) {
          if (this.#standIn === undefined || !(thrown instanceof Missing)) throw thrown;
          const { name, key } = item.secretKeyRef;
          const text = this.#standIn({
            ...{ component: document.name, type: document.type, property: item.name },
            ...{
              store: document.secretStore?.text ?? this.#usualStore ?? "",
              name,
              key,
              reason: thrown.message,
            },
          });
          return { text, from: "secret" };
        }
      }
    }
    if (item.value !== undefined && item.value.text !== "")
      return { text: item.value.text, from: "file" };
    if (
      item.envRef === undefined ||
      deniedVariable(item.envRef.text, this.#environment.variables) !== undefined
    ) {
      return { text: "", from: "file" };
    }
    return { text: this.#environment.variables[item.envRef.text] ?? "", from: "environment" };
  }

  async #secret(
    document: ComponentDocument,
    item: Item,
    { name, key, range }: NonNullable<Item["secretKeyRef"]>,
    remote: Remote,
  ): Promise<string> {
    const of = `property ${JSON.stringify(item.name)}`;
    const storeName = document.secretStore?.text ?? this.#usualStore;
    if (storeName === undefined) {
      const only = this.#documents.size === 1 ? [...this.#documents.keys()][0] : "NAME";
      const hint = `add "auth: {secretStore: ${only}}" at the top level`;
      throw new Missing(
        range,
        `${of} refers to a secret, but the component names no secret store; ${hint}`,
      );
    }
    const store = this.#documents.get(storeName);
    const quoted = JSON.stringify(storeName);
    if (store === undefined) {
      const message = `${of} needs the secret store ${quoted}, which is not defined in the resources`;
      throw new Missing(
        document.secretStore?.range ?? range,
        message,
        closest(storeName, this.#documents.keys()),
      );
    }
    const circle = this.#circles.get(storeName);
    if (circle !== undefined) throw new Missing(document.secretStore?.range ?? range, circle);
    const wanted = { name, key, range, namespace: document.namespace };
    const secret = await this.#read(store, wanted, `${of} needs a secret`, remote);
    return valueOf(secret, { name, key, range }, of, quoted);
  }

  async #read(
    store: ComponentDocument,
    wanted: Wanted,
    need: string,
    remote: Remote,
  ): Promise<SecretValues | undefined> {
    const { name, range } = wanted;
    const quoted = JSON.stringify(store.name);
    const type = this.#stores.types.find(store.type);
    if (type === undefined) {
      throw new Missing(
        range,
        `${need}, but the secret store ${quoted} is of the type ${store.type}, which is not supported`,
      );
    }
    if (this.#standIn !== undefined && type.isRemote === true)
      throw new Missing(range, `the secret store ${quoted} is remote, and is not asked`);
    const namespace = type.isNamespaced ? wanted.namespace : "";
    const open = async (): Promise<OpenStore> =>
      this.#stores.store(
        ...([store.name, store.type, await this.#propertiesOf(store, remote)] as const),
        this.#environment.variables,
      );
    try {
      if (type.isRemote !== true) {
        await using local = await open();
        return await local.read(name, namespace);
      }
      if (remote === "read") return await this.reads.remote(store.name, name, namespace, open);
    } catch (thrown) {
      const message = `${need}, but the secret store ${quoted} cannot be read: ${messageOf(thrown)}`;
      const isUnread = thrown instanceof Unread || (type.isRemote && isAwayNow(thrown));
      if (!isUnread) throw new Missing(range, message);
      throw new Unread(range, message, this.#last(store, wanted, namespace));
    }
    const known = this.reads.known(store.name, name, namespace);
    if (known !== undefined) return known;
    throw new Unread(
      range,
      `${need} of the secret store ${quoted}, which was not read yet`,
      this.#last(store, wanted, namespace),
    );
  }

  #last(store: ComponentDocument, { name, key }: Wanted, namespace: string): string | undefined {
    return this.#stores.lastOf(store.name, name, namespace)?.get(key);
  }

  async #propertiesOf(store: ComponentDocument, remote: Remote): Promise<StoreProperties> {
    const values: Record<string, string> = {};
    const unquoted = new Set<string>();
    const secret = new Set<string>();
    const resolving = store.items.map(async (item) => {
      const { text, from } = await this.resolve(store, item, remote);
      values[item.name] = text;
      if (from !== "file") unquoted.add(item.name);
      if (from === "secret") secret.add(item.name);
    });
    await Promise.all(resolving);
    return { values, unquoted, secret };
  }
}

type Wanted = {
  readonly name: string;
  readonly key: string;
  readonly range: Range;
  readonly namespace: string;
};

function isAwayNow(thrown: unknown): boolean {
  return thrown instanceof BindingError && isAway(thrown);
}

function valueOf(
  secret: SecretValues | undefined,
  { name, key, range }: Omit<Wanted, "namespace">,
  of: string,
  store: string,
): string {
  const quoted = JSON.stringify(name);
  if (secret === undefined)
    throw new Missing(range, `${of}: secret ${quoted} is not in the secret store ${store}`);
  const value = secret.get(key);
  if (value === undefined) {
    const message = `${of}: secret ${quoted} in ${store} has no key ${JSON.stringify(key)}`;
    throw new Missing(range, message, closest(key, secret.keys()));
  }
  if (value === "") {
    throw new Missing(
      range,
      `${of}: secret ${quoted}, key ${JSON.stringify(key)} in ${store} is empty`,
    );
  }
  return value;
}
