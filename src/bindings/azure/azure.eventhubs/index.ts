import { randomBytes } from "node:crypto";
import { defineBinding } from "../../../binding.ts";
import { problemsOf } from "../../../check-settings.ts";
import { entraDrivers } from "../../../identity/azure/entra.ts";
import { accessOf, loadAmqp, messagingDrivers } from "../messaging-access.ts";
import { NamespaceConnection } from "../messaging-namespace.ts";
import { EntityManagement } from "./entity.ts";
import { createFields, hubFields } from "./fields.ts";
import { HubConnection, mayNotMake } from "./hub-connection.ts";
import { encodeEvent, partitionOf } from "./events-out.ts";
import { needsEntra, settingsOf, storageSettingsOf } from "./settings.ts";

export default defineBinding({
  name: "azure.eventhubs",
  status: "beta",
  summary: "Reads from and sends to an event hub of Azure.",
  provedBy: [{ system: "Azure Event Hubs", kind: "stand-in" }],
  drivers: { ...messagingDrivers, ...entraDrivers },
  needsDriver: (name, metadata) => !(name in entraDrivers) || needsEntra(metadata),
  metadata: hubFields,
  example: {
    connectionString:
      "Endpoint=sb://shop.servicebus.windows.net/;SharedAccessKeyName=app;SharedAccessKey=bXkta2V5;EntityPath=orders",
    consumerGroup: "shop",
    storageAccountName: "mystorage",
    storageAccountKey: "bXkta2V5",
    storageContainerName: "checkpoints",
  },
  check: (metadata) => problemsOf([() => settingsOf(metadata), () => storageSettingsOf(metadata)]),

  async open(opening) {
    const { metadata, component, signal, lost, memory, driver, hide, logger } = opening;
    const { hub, namespaceName, managesEntities } = settingsOf(metadata);
    const access = await accessOf(
      { ...metadata, namespace: metadata.eventHubNamespace && namespaceName },
      opening,
    );
    if (metadata.enableEntityManagement && !managesEntities)
      logger.warn({}, "enableEntityManagement has no effect beside connectionString");
    const entities = managesEntities
      ? await EntityManagement.open(metadata, hub, { memory, driver, hide })
      : undefined;
    try {
      if (!opening.examines && (await entities?.ensureHub(signal)) === "denied")
        logger.info({}, mayNotMake);
      const namespace = await NamespaceConnection.open({
        ...{ driver: loadAmqp(opening), signal, lost },
        address: access.address,
        credentials: access.credentials,
        idleTimeout: metadata.idleTimeout,
        containerId: `cufflink ${component.appId} ${component.name} ${randomBytes(6).toString("hex")}`,
      });
      const connection = new HubConnection(namespace, hub, namespaceName, entities, {
        driver,
        hide,
      });
      try {
        await namespace.authorize(hub, signal);
        return connection;
      } catch (error) {
        await namespace.close();
        throw error;
      }
    } catch (error) {
      await entities?.[Symbol.asyncDispose]();
      throw error;
    }
  },

  operations: {
    create: {
      description: "Sends the data as an event and waits until the service has accepted it.",
      request: createFields,
      async invoke(connection, { data, request, metadata, signal }) {
        const partition = partitionOf(request);
        const message = encodeEvent(connection.namespace.driver.rhea, data, request);
        const late = AbortSignal.timeout(metadata.timeoutInSec * 1000);
        await connection.send(partition, message, AbortSignal.any([signal, late]));
      },
    },
  },

  guarantee: {
    returned: "stays in its partition: the checkpoint does not pass it",
    atLeastOnce: "the hub keeps it",
    key: "the partition key; the partition, with `enableInOrderMessageDelivery`",
    shared: true,
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

  async examine(_connection, { ask }) {
    // Opening has put the token or signature to the namespace, for this hub.
    await ask("authenticated", "", () => {});
  },
});
