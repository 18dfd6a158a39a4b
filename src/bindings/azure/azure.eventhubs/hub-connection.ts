import { SenderLink } from "../../../amqp-client/sender.ts";
import type { Reading } from "../../../binding.ts";
import { BindingError } from "../../../errors.ts";
import type { NamespaceConnection } from "../messaging-namespace.ts";
import { StorageClient } from "../storage-client.ts";
import { CheckpointStore } from "./checkpoint-store.ts";
import type { EntityManagement } from "./entity.ts";
import type { hubFields } from "./fields.ts";
import { HubReader } from "./hub-reader.ts";
import { storageOf, storageSettingsOf } from "./settings.ts";

export const mayNotMake =
  "the component may not make hubs; the hub and the consumer group are taken to be there";

type Tools = {
  readonly driver: (name: string) => unknown;
  readonly hide: ((secret: string) => void) | undefined;
};

/** A namespace's connection, the links that send to the hub, and its reader. */
export class HubConnection implements AsyncDisposable {
  readonly namespace: NamespaceConnection;
  readonly #hub: string;
  readonly #namespaceName: string;
  readonly #entities: EntityManagement | undefined;
  readonly #tools: Tools;
  readonly #senders = new Map<string, SenderLink>();
  #storage: StorageClient | undefined;
  #reader: HubReader | undefined;

  constructor(
    namespace: NamespaceConnection,
    hub: string,
    namespaceName: string,
    entities: EntityManagement | undefined,
    tools: Tools,
  ) {
    this.namespace = namespace;
    this.#hub = hub;
    this.#namespaceName = namespaceName;
    this.#entities = entities;
    this.#tools = tools;
  }

  /** Resolves once the service has accepted the event. */
  async send(partition: string | undefined, event: Buffer, signal: AbortSignal): Promise<void> {
    const { connection } = this.namespace;
    const { ended } = connection;
    if (ended !== undefined) {
      const { reason, systemCode } = ended;
      throw new BindingError(reason, ended.message, { effect: "unsent", systemCode, cause: ended });
    }
    const address = partition === undefined ? this.#hub : `${this.#hub}/Partitions/${partition}`;
    let sender = this.#senders.get(address);
    if (sender === undefined || sender.ended !== undefined) {
      sender = new SenderLink(connection, address, undefined);
      this.#senders.set(address, sender);
    }
    await sender.send(event, signal);
  }

  async read(reading: Reading<typeof hubFields>): Promise<HubReader> {
    const { metadata, memory, signal, logger } = reading;
    const settings = storageSettingsOf(metadata);
    if (settings === undefined)
      throw new BindingError(
        "invalid_argument",
        "property consumerID is required to subscribe to an Event Hub topic",
      );
    const { group, container } = settings;
    const ensured = await this.#entities?.ensureGroup(group, signal);
    if (ensured === "denied") logger.info({}, mayNotMake);
    const { url, login } = storageOf(metadata, this.#tools);
    const storage = await StorageClient.open({
      ...{ url, login, memory, hide: this.#tools.hide, caCert: metadata.caCert },
    });
    this.#storage = storage;
    const place = { namespace: this.#namespaceName, hub: this.#hub, group };
    const store = new CheckpointStore(storage, container, place);
    const { namespace } = this;
    const reader = new HubReader({ namespace, store, hub: this.#hub, group, reading });
    this.#reader = reader;
    try {
      await reader.start();
      return reader;
    } catch (error) {
      await reader.close();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader?.close();
    await this.namespace.close();
    await this.#storage?.[Symbol.asyncDispose]();
    await this.#entities?.[Symbol.asyncDispose]();
  }
}
