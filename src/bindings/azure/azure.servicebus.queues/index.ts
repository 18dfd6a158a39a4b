import { randomBytes } from "node:crypto";
import { SenderLink } from "../../../amqp-client/sender.ts";
import { defineBinding, type Opening } from "../../../binding.ts";
import { problemsOf } from "../../../check-settings.ts";
import { BindingError } from "../../../errors.ts";
import { HttpClient } from "../../../http-client/client.ts";
import { entraDrivers } from "../../../identity/azure/links.ts";
import { needsEntraDriver } from "../../../identity/azure/entra.ts";
import { authoritiesOf, tlsMaterial } from "../../../tls/pem.ts";
import {
  accessOf,
  loadAmqp,
  messagingDrivers,
  namespaceOf,
  type Access,
} from "../messaging-access.ts";
import { readConnectionString } from "../messaging-connection-string.ts";
import { NamespaceConnection } from "../messaging-namespace.ts";
import { ensureQueue } from "./entity.ts";
import { createFields, queueFields, type QueueMetadata } from "./fields.ts";
import { encodeMessage } from "./messages.ts";
import { QueueReader } from "./queue-reader.ts";

export default defineBinding({
  name: "azure.servicebus.queues",
  aliases: ["azure.servicebusqueues"],
  status: "beta",
  summary: "Reads from and sends to a queue of Azure Service Bus.",
  provedBy: [{ system: "Azure Service Bus", kind: "stand-in" }],
  drivers: { ...messagingDrivers, ...entraDrivers },
  needsDriver: (name, metadata) =>
    !(name in entraDrivers) || (!metadata.connectionString && needsEntraDriver(metadata)),
  metadata: queueFields,
  example: {
    connectionString:
      "Endpoint=sb://shop.servicebus.windows.net/;SharedAccessKeyName=app;SharedAccessKey=bXkta2V5",
  },

  check: (metadata) => problemsOf([() => checkSettings(metadata), () => checkConnection(metadata)]),

  async open(opening) {
    const { metadata, component, signal, lost, directions } = opening;
    checkSettings(metadata);
    const access = await accessOf(
      { ...metadata, namespace: metadata.namespaceName },
      { driver: opening.driver, hide: opening.hide },
    );
    const driver = loadAmqp(opening);
    if (
      !opening.examines &&
      !metadata.disableEntityManagement &&
      (!access.isEmulator || metadata.managementUrl)
    )
      await makeQueue(opening, access);
    const namespace = await NamespaceConnection.open({
      ...{ driver, signal, lost },
      address: access.address,
      credentials: access.credentials,
      idleTimeout: metadata.idleTimeout,
      containerId: `cufflink ${component.appId} ${component.name} ${randomBytes(6).toString("hex")}`,
    });
    try {
      await namespace.authorize(metadata.queueName, signal);
    } catch (error) {
      await namespace.close();
      throw error;
    }
    const { hostname, port } = access.address;
    const place = [component.name, hostname, port, metadata.queueName.toLowerCase()];
    return new QueueConnection(namespace, {
      ...{ queue: metadata.queueName, sends: directions.output },
      identity: JSON.stringify(place),
    });
  },

  operations: {
    create: {
      description: "Sends the data to the queue and waits until the service has accepted it.",
      request: createFields,
      async invoke(connection, { data, request, properties, metadata, signal }) {
        const { driver } = connection.namespace;
        const message = encodeMessage(driver.rhea, data, request, properties);
        await connection.send(message, signal, metadata.timeoutInSec * 1000);
      },
    },
  },

  guarantee: {
    returned:
      "goes back to the queue: modified, which counts as a delivery that failed, or released where no attempt at it failed",
    atLeastOnce: "the queue keeps it, and its lock is renewed",
    key: "the session id, with `requireSessions`; the queue, with `maxActiveMessages: 1`",
    shared: true,
    duplicates: {
      app: "what the app has: `maxActiveMessages` (1; the matrix has 64)",
      runtime: "what was locked: the same",
      server:
        "what was locked, and what was handled and the service had not confirmed: twice `maxActiveMessages` (2; the matrix has 128)",
    },
  },

  async read(connection, reading) {
    const { namespace, identity } = connection;
    return connection.read(new QueueReader(namespace, identity, reading));
  },

  retry: {
    outbound: ({ publishMaxRetries, publishInitialRetryIntervalInMs }) => ({
      attempts: publishMaxRetries + 1,
      initial: publishInitialRetryIntervalInMs,
      max: Math.max(60_000, publishInitialRetryIntervalInMs),
      multiplier: 1.5,
      jitter: 0.5,
    }),
  },

  async ping({ namespace }, signal) {
    await namespace.connection.roundTrip(signal);
  },

  async examine(_connection, { ask }) {
    // Opening has put the token or signature to the namespace, for this queue.
    await ask("authenticated", "", () => {});
  },
});

/** Throws a `BindingError` where the fields do not go together. */
function checkSettings({ connectionString, namespaceName, queueName }: QueueMetadata): void {
  const problem =
    connectionString && namespaceName
      ? "connectionString and namespaceName cannot both be specified"
      : !connectionString && !namespaceName
        ? "either one of connection string or namespace name are required"
        : queueName === ""
          ? "missing queueName"
          : !/^[\p{L}\p{N}._~/-]{1,260}$/u.test(queueName)
            ? "queueName can have up to 260 letters, digits, full stops, hyphens, underscores, tildes and slashes"
            : undefined;
  if (problem !== undefined) throw new BindingError("invalid_argument", problem);
}

function checkConnection({ connectionString, namespaceName, queueName }: QueueMetadata): void {
  if (!connectionString) {
    if (namespaceName) namespaceOf(namespaceName);
    return;
  }
  const { entity } = readConnectionString(connectionString);
  if (entity !== undefined && entity.toLowerCase() !== queueName.toLowerCase()) {
    throw new BindingError(
      "invalid_argument",
      `the connection string is for ${entity}, and queueName says ${queueName}`,
    );
  }
}

async function makeQueue(
  { metadata, signal, memory, logger }: Opening<typeof queueFields>,
  { address, credentials }: Access,
): Promise<void> {
  const url = metadata.managementUrl || `https://${address.hostname}`;
  const caCert = await authoritiesOf(metadata.caCert);
  const http = HttpClient.open(await import("undici"), {
    ...{ url, memory, maxConnections: 1 },
    ...(caCert === undefined ? {} : { tls: tlsMaterial({ caCert }) }),
  });
  try {
    const ensured = await ensureQueue(http, url, credentials, metadata, signal);
    if (ensured === "denied")
      logger.info({}, "the component may not make queues; the queue is taken to be there");
  } finally {
    await http[Symbol.asyncDispose]();
  }
}

class QueueConnection implements AsyncDisposable {
  readonly namespace: NamespaceConnection;
  /** Of the queue, as this component reads it. */
  readonly identity: string;
  readonly #queue: string;
  readonly #sends: boolean;
  #sender: SenderLink | undefined;
  #reader: QueueReader | undefined;

  constructor(
    namespace: NamespaceConnection,
    { queue, sends, identity }: { queue: string; sends: boolean; identity: string },
  ) {
    this.namespace = namespace;
    this.identity = identity;
    this.#queue = queue;
    this.#sends = sends;
  }

  async send(message: Buffer, signal: AbortSignal, timeout: number): Promise<void> {
    if (!this.#sends)
      throw new BindingError("failed_precondition", "the component's direction leaves out output");
    const { connection } = this.namespace;
    const { ended } = connection;
    if (ended !== undefined) {
      const { reason, systemCode } = ended;
      throw new BindingError(reason, ended.message, { effect: "unsent", systemCode, cause: ended });
    }
    if (this.#sender === undefined || this.#sender.ended !== undefined)
      this.#sender = new SenderLink(connection, this.#queue, undefined);
    const late = AbortSignal.timeout(timeout);
    await this.#sender.send(message, AbortSignal.any([signal, late]));
  }

  async read(reader: QueueReader): Promise<QueueReader> {
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
  }
}
