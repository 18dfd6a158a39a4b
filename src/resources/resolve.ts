import { randomUUID } from "node:crypto";
import { messageOf } from "../errors.ts";
import { closest } from "../metadata/suggest.ts";
import type { ComponentDocument, Item } from "./component-document.ts";
import { deniedVariable, expandTemplates, type Environment } from "./environment.ts";
import { isSecretStoreType, secretStore } from "./secret-store.ts";
import type { Range } from "./source.ts";

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

/** Puts secrets, environment variables and templates into component properties. Secrets are read anew each time. */
export class Resolver {
  readonly #environment: Environment;
  readonly #stores: ReadonlyMap<string, ComponentDocument>;
  readonly #uuids: Map<string, string[]>;

  /** `uuids`: those drawn before, so that a component has the same ones after a reload. */
  constructor(
    environment: Environment,
    stores: ReadonlyMap<string, ComponentDocument>,
    uuids = new Map<string, string[]>(),
  ) {
    this.#environment = environment;
    this.#stores = stores;
    this.#uuids = uuids;
  }

  /** @throws Missing when a secret is not there, or a template cannot be filled in. */
  async resolve(document: ComponentDocument, item: Item): Promise<ResolvedItem> {
    return this.#resolve(document, item, []);
  }

  async #resolve(
    document: ComponentDocument,
    item: Item,
    chain: readonly string[],
  ): Promise<ResolvedItem> {
    const raw = await this.#raw(document, item, chain);
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

  async #raw(
    document: ComponentDocument,
    item: Item,
    chain: readonly string[],
  ): Promise<ResolvedItem> {
    if (item.secretKeyRef !== undefined) {
      try {
        return {
          text: await this.#secret(document, item, item.secretKeyRef, chain),
          from: "secret",
        };
      } catch (thrown) {
        // As daprd: a value beside the reference stands in for it.
        if (!item.value?.text) throw thrown;
      }
    }
    if (item.value !== undefined && item.value.text !== "")
      return { text: item.value.text, from: "file" };
    if (
      item.envRef === undefined ||
      deniedVariable(item.envRef.text, this.#environment) !== undefined
    ) {
      return { text: "", from: "file" };
    }
    return { text: this.#environment.variables[item.envRef.text] ?? "", from: "environment" };
  }

  async #secret(
    document: ComponentDocument,
    item: Item,
    { name, key, range }: NonNullable<Item["secretKeyRef"]>,
    chain: readonly string[],
  ): Promise<string> {
    const of = `property ${JSON.stringify(item.name)}`;
    if (document.secretStore === undefined) {
      const only = this.#stores.size === 1 ? [...this.#stores.keys()][0] : "NAME";
      const hint = `add "auth: {secretStore: ${only}}" at the top level`;
      throw new Missing(
        range,
        `${of} refers to a secret, but the component names no secret store; ${hint}`,
      );
    }
    const storeName = document.secretStore.text;
    const store = this.#stores.get(storeName);
    const quoted = JSON.stringify(storeName);
    if (store === undefined) {
      const message = `${of} needs the secret store ${quoted}, which is not defined in the resources`;
      throw new Missing(
        document.secretStore.range,
        message,
        closest(storeName, this.#stores.keys()),
      );
    }
    if (chain.includes(storeName)) {
      throw new Missing(
        document.secretStore.range,
        `the secret store ${quoted} needs a secret of its own to be read`,
      );
    }
    const secret = await this.#read(store, name, range, `${of} needs a secret`, [
      ...chain,
      storeName,
    ]);
    if (secret === undefined) {
      throw new Missing(
        range,
        `${of}: secret ${JSON.stringify(name)} is not in the secret store ${quoted}`,
      );
    }
    const value = secret.get(key);
    if (value === undefined) {
      const message = `${of}: secret ${JSON.stringify(name)} in ${quoted} has no key ${JSON.stringify(key)}`;
      throw new Missing(range, message, closest(key, secret.keys()));
    }
    if (value === "") {
      throw new Missing(
        range,
        `${of}: secret ${JSON.stringify(name)}, key ${JSON.stringify(key)} in ${quoted} is empty`,
      );
    }
    return value;
  }

  async #read(
    store: ComponentDocument,
    name: string,
    range: Range,
    need: string,
    chain: readonly string[],
  ): Promise<ReadonlyMap<string, string> | undefined> {
    const quoted = JSON.stringify(store.name);
    if (!isSecretStoreType(store.type)) {
      throw new Missing(
        range,
        `${need}, but the secret store ${quoted} is of the type ${store.type}, which is not supported`,
      );
    }
    const properties: Record<string, string> = {};
    try {
      for (const item of store.items)
        properties[item.name] = (await this.#resolve(store, item, chain)).text;
      return await secretStore(store.type, properties, this.#environment).read(name);
    } catch (thrown) {
      throw new Missing(
        range,
        `${need}, but the secret store ${quoted} cannot be read: ${messageOf(thrown)}`,
      );
    }
  }
}
