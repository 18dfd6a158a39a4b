import { defineBinding } from "../../../binding.ts";
import { problemsOf } from "../../../check-settings.ts";
import { BindingError } from "../../../errors.ts";
import { entraDrivers, needsEntraDriver } from "../../../identity/azure/entra.ts";
import { cloudOf } from "../../../identity/azure/settings.ts";
import { goUnquote } from "../../../text/go-unquote.ts";
import { loginOf, serviceUrl } from "../storage-login.ts";
import { QueueClient } from "../queue-client.ts";
import { QueueReader } from "../queue-reader.ts";
import { StorageClient } from "../storage-client.ts";
import { eventOf } from "./event.ts";
import { createFields, queueFields } from "./fields.ts";
import type { QueueMetadata } from "./fields.ts";
import { secondsToLive, timeToLive, visibilityDelay } from "./times.ts";

const empty = new Uint8Array();
const shortestPoll = 100;

export default defineBinding({
  name: "azure.storagequeues",
  status: "beta",
  summary: "Reads a queue of Azure Storage, and sends messages to it.",
  provedBy: [
    { system: "Azurite", kind: "emulator" },
    { system: "Microsoft Entra ID", kind: "stand-in" },
  ],
  drivers: entraDrivers,
  needsDriver: (_name, metadata) => !metadata.accountKey && needsEntraDriver(metadata),
  metadata: queueFields,

  check: (metadata) => problemsOf([() => checkMetadata(metadata)]),

  async open({ metadata, memory, driver, hide, signal, logger, examines }) {
    checkMetadata(metadata);
    const login = loginOf({ metadata, driver, hide });
    const url = urlOf(metadata);
    const storage = await StorageClient.open({
      ...{ url, login, memory, hide, caCert: metadata.caCert },
    });
    try {
      const queue = new QueueClient(storage, metadata.queueName);
      if (!examines && !(await queue.create(signal)))
        logger.debug({ queue: queue.name }, "creating the queue is not allowed; it must exist");
      return { queue, url, [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose]() };
    } catch (error) {
      await storage[Symbol.asyncDispose]();
      throw error;
    }
  },

  operations: {
    create: {
      description: "Sends the data as a message.",
      request: createFields,
      async invoke({ queue }, { data = empty, request, properties, metadata, signal }) {
        const ttl = timeToLive(properties) ?? secondsToLive(metadata.ttl);
        const delay = request.initialVisibilityDelay
          ? visibilityDelay(request.initialVisibilityDelay)
          : Math.trunc(metadata.initialVisibilityDelay / 1000);
        const text = textOf(goUnquote(data) ?? data, metadata.encodeBase64);
        await queue.put(text, { ttl, delay: delay === 0 ? undefined : delay }, signal);
      },
    },
  },

  eventMetadata: {
    messageID: "The message's id.",
    popReceipt: "What deletes it.",
    insertionTime: "When it was sent.",
    expirationTime: "When it expires.",
    nextVisibleTime: "When it would be delivered again.",
    dequeueCount: "How often it was delivered.",
  },

  guarantee: {
    returned: "is visible to all again after the pause",
    atLeastOnce: "messages are taken before they expire (`ttl` of who sends them)",
    shared: true,
    duplicates: {
      app: "what the app has: `maxInFlight` (64)",
      runtime: "what the app has, and handled messages whose deletion was under way (80)",
      server: "what the app has, where it could not be kept until `visibilityTimeout` (64)",
    },
  },

  read({ queue, url }, reading) {
    const { metadata, notice } = reading;
    const { decodeBase64, visibilityTimeout, pollingInterval } = metadata;
    const reader = new QueueReader({
      ...{ queue, reading, visibilityTimeout, pollingInterval },
      identity: `${url} ${queue.name}`,
      eventsOf: (message) => [
        eventOf(message, decodeBase64, (id) =>
          notice(`message ${id} is no base64; it is delivered as it is`),
        ),
      ],
    });
    reader.start();
    return reader;
  },

  async ping({ queue }, signal) {
    await queue.count(signal);
  },

  async examine({ queue }, { signal, ask }) {
    await ask("authenticated", "", () => {});
    await ask(
      "exists",
      `queue ${queue.name}`,
      async () => `${await queue.count(signal)} messages wait`,
    );
  },

  backlog: ({ queue }, signal) => queue.count(signal),
});

function urlOf(metadata: QueueMetadata): string {
  const { accountName, endpoint, queueEndpoint } = metadata;
  const { storageSuffix } = cloudOf(metadata);
  return serviceUrl("queue", accountName, storageSuffix, endpoint || queueEndpoint);
}

/** Throws a `BindingError`, in Dapr's words where it has some. */
function checkMetadata(metadata: QueueMetadata): void {
  urlOf(metadata);
  secondsToLive(metadata.ttl);
  if (metadata.pollingInterval < shortestPoll)
    throw wrong("invalid value for 'pollingInterval': must be greater than 100ms");
}

function textOf(data: Uint8Array, encodeBase64: boolean): string {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  if (encodeBase64) return bytes.toString("base64");
  const text = bytes.toString("utf8");
  if (Buffer.byteLength(text) === bytes.length && Buffer.from(text).equals(bytes)) return text;
  throw wrong("a queue takes texts only, and the data is no UTF-8; set encodeBase64");
}

function wrong(message: string): BindingError {
  return new BindingError("invalid_argument", message);
}
