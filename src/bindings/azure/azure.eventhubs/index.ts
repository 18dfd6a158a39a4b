import { randomBytes } from "node:crypto";
import { SenderLink } from "../../../amqp-client/sender.ts";
import { defineBinding } from "../../../binding.ts";
import { problemsOf } from "../../../check-settings.ts";
import { BindingError } from "../../../errors.ts";
import { entraDrivers, needsEntraDriver } from "../../../identity/azure/entra.ts";
import { cloudOf } from "../../../identity/azure/settings.ts";
import { accessOf, loadAmqp, messagingDrivers } from "../messaging-access.ts";
import { readConnectionString } from "../messaging-connection-string.ts";
import { NamespaceConnection } from "../messaging-namespace.ts";
import { readSharedKey } from "../shared-key.ts";
import { StorageClient } from "../storage-client.ts";
import { loginOf, serviceUrl } from "../storage-login.ts";
import { CheckpointStore } from "./checkpoint-store.ts";
import { createFields, hubFields, type CreateRequest, type HubMetadata } from "./fields.ts";
import { HubReader } from "./hub-reader.ts";

export default defineBinding({
  name: "azure.eventhubs",
  status: "beta",
  summary: "Reads from and sends to an event hub of Azure.",
  provedBy: [{ system: "Azure Event Hubs", kind: "stand-in" }],
  drivers: { ...messagingDrivers, ...entraDrivers },
  needsDriver: (name, metadata) => !(name in entraDrivers) || needsEntra(metadata),
  metadata: hubFields,
  check: (metadata) => problemsOf([() => hubOf(metadata)]),

  async open(opening) {
    const { metadata, component, signal, lost, directions, memory, driver, hide } = opening;
    const hub = hubOf(metadata);
    const access = await accessOf({ ...metadata, namespace: namespaceOf(metadata) }, opening);
    const namespace = await NamespaceConnection.open({
      ...{ driver: loadAmqp(opening), signal, lost },
      address: access.address,
      credentials: access.credentials,
      idleTimeout: metadata.idleTimeout,
      containerId: `cufflink ${component.appId} ${component.name} ${randomBytes(6).toString("hex")}`,
    });
    try {
      await namespace.authorize(hub, signal);
      const storage = directions.input
        ? await StorageClient.open({ ...storageOf(metadata, driver, hide), memory, hide })
        : undefined;
      const place = { namespace: access.address.hostname, hub, group: metadata.consumerGroup };
      const store = storage && new CheckpointStore(storage, metadata.storageContainerName, place);
      return new HubConnection(namespace, hub, storage, store);
    } catch (error) {
      await namespace.close();
      throw error;
    }
  },

  operations: {
    create: {
      description: "Sends the data as an event and waits until the service has accepted it.",
      request: createFields,
      async invoke(connection, { data, request, metadata, signal }) {
        const { rhea } = connection.namespace.driver;
        const { partitionKey, partitionId, contentType, headers } = request;
        const message = rhea.message.encode({
          ...(partitionKey ? { message_annotations: { "x-opt-partition-key": partitionKey } } : {}),
          ...(contentType ? { content_type: asciiOf(contentType) } : {}),
          ...(headers.size > 0 ? { application_properties: propertiesOf(headers) } : {}),
          body: rhea.message.data_section(Buffer.from(data ?? [])),
        });
        const late = AbortSignal.timeout(metadata.timeoutInSec * 1000);
        const partition = partitionOf(partitionKey, partitionId);
        await connection.send(partition, message, AbortSignal.any([signal, late]));
      },
    },
  },

  guarantee: {
    returned: "stays in its partition: the checkpoint does not pass it",
    atLeastOnce: "the hub keeps it",
    key: "the partition key; the partition, with `enableInOrderMessageDelivery`",
    duplicates: {
      app: "what the app has: `maxInFlight` (64)",
      runtime:
        "the same, and what was handled since the last checkpoint (half a second at 50/s: 100)",
      server: "the same",
    },
  },
  returnsSingly: false,

  async read(connection, reading) {
    return connection.read(reading);
  },

  async ping({ namespace }, signal) {
    await namespace.connection.roundTrip(signal);
  },
});

function needsEntra(metadata: HubMetadata): boolean {
  const { connectionString, storageConnectionString, storageAccountKey } = metadata;
  const byKeys = Boolean(connectionString && (storageConnectionString || storageAccountKey));
  return !byKeys && needsEntraDriver(metadata);
}

/** Throws a `BindingError` where the fields do not go together. */
function hubOf({ connectionString, eventHubNamespace, eventHub }: HubMetadata): string {
  if (!connectionString && !eventHubNamespace)
    throw refused("one of connectionString or eventHubNamespace is required");
  if (connectionString && eventHubNamespace)
    throw refused("only one of connectionString or eventHubNamespace should be passed");
  const entity = connectionString ? readConnectionString(connectionString).entity : undefined;
  const hub = entity || eventHub;
  if (!hub) {
    throw refused(
      connectionString
        ? "the provided connection string does not contain a value for 'EntityPath' and no 'eventHub' property was passed"
        : "property 'eventHub' is required when connecting with Azure AD",
    );
  }
  if (!/^[a-z0-9][\w.-]{0,255}$/i.test(hub))
    throw refused("eventHub can have letters, digits, full stops, hyphens and underscores");
  return hub;
}

function namespaceOf(metadata: HubMetadata): string {
  const { eventHubNamespace: namespace = "" } = metadata;
  const isWhole = namespace === "" || /[.:]/.test(namespace);
  return isWhole ? namespace : `${namespace}.${cloudOf(metadata).serviceBusSuffix}`;
}

function storageOf(
  metadata: HubMetadata,
  driver: (name: string) => unknown,
  hide: ((secret: string) => void) | undefined,
) {
  const { storageConnectionString: text, storageAccountName: account = "" } = metadata;
  const suffix = cloudOf(metadata).storageSuffix;
  if (!text) {
    if (!account)
      throw refused("property storageAccountName is required to subscribe to an Event Hub topic");
    const login = { ...metadata, accountName: account, accountKey: metadata.storageAccountKey };
    return {
      url: serviceUrl("blob", account, suffix, undefined),
      login: loginOf({ metadata: login, driver, hide }),
    };
  }
  const values = new Map(
    text.split(";").map((part) => {
      const at = part.indexOf("=");
      return [part.slice(0, at).trim().toLowerCase(), part.slice(at + 1).trim()] as const;
    }),
  );
  const name = values.get("accountname");
  const key = values.get("accountkey");
  if (!name || !key)
    throw refused("the metadata storageConnectionString needs AccountName and AccountKey");
  hide?.(key);
  const scheme = values.get("defaultendpointsprotocol") || "https";
  const url =
    values.get("blobendpoint") ||
    `${scheme}://${name}.blob.${values.get("endpointsuffix") || suffix}`;
  return { url, login: { sharedKey: readSharedKey(name, key) } };
}

function partitionOf(
  key: CreateRequest["partitionKey"],
  id: CreateRequest["partitionId"],
): string | undefined {
  if (!id) return undefined;
  if (key) throw refused("partitionKey and partitionId cannot both be given");
  if (/^[\w-]{1,64}$/.test(id)) return id;
  throw refused("partitionId can have letters, digits and hyphens only");
}

function propertiesOf(headers: CreateRequest["headers"]): Record<string, string> {
  const properties = Object.create(null) as Record<string, string>;
  for (const [name, value] of headers) properties[name] = value;
  return properties;
}

function asciiOf(text: string): string {
  if (/^[\x20-\x7e]+$/.test(text)) return text;
  throw refused("contentType can have printable ASCII only");
}

function refused(why: string): BindingError {
  return new BindingError("invalid_argument", why);
}

class HubConnection implements AsyncDisposable {
  readonly namespace: NamespaceConnection;
  readonly #hub: string;
  readonly #storage: StorageClient | undefined;
  readonly #store: CheckpointStore | undefined;
  readonly #senders = new Map<string, SenderLink>();
  #reader: HubReader | undefined;

  constructor(
    namespace: NamespaceConnection,
    hub: string,
    storage: StorageClient | undefined,
    store: CheckpointStore | undefined,
  ) {
    this.namespace = namespace;
    this.#hub = hub;
    this.#storage = storage;
    this.#store = store;
  }

  async send(partition: string | undefined, message: Buffer, signal: AbortSignal): Promise<void> {
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
    await sender.send(message, signal);
  }

  async read(reading: ConstructorParameters<typeof HubReader>[3]): Promise<HubReader> {
    if (this.#store === undefined) throw refused("the component's direction leaves out input");
    const reader = new HubReader(this.namespace, this.#store, this.#hub, reading);
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
  }
}
