import { randomBytes } from "node:crypto";
import { defineBinding } from "../../../binding.ts";
import { problemsOf } from "../../../check-settings.ts";
import { BindingError } from "../../../errors.ts";
import { brokerAddress } from "../address.ts";
import type { BrokerAddress } from "../address.ts";
import { Sender } from "../sender.ts";
import { checkTopicFilter } from "../topics.ts";
import { startConsumer } from "./consumer.ts";
import { createFields, mqttFields } from "./fields.ts";
import type { MqttMetadata } from "./fields.ts";
import { messageOf, willOf } from "./message.ts";
import { hexCode, reasonCodeName } from "./reason-codes.ts";
import { Session } from "./session.ts";

export default defineBinding({
  name: "mqtt5",
  status: "beta",
  summary: "Reads from and sends to the topics of an MQTT 5 server, with QoS 0, 1 or 2.",
  openedOnce: "identity",
  provedBy: [{ system: "Mosquitto", kind: "real" }],
  metadata: mqttFields,
  example: {
    topic: "orders/+/created",
  },

  check: (metadata, { input }) =>
    problemsOf([() => checkMetadata(metadata, input), () => addressOf(metadata)]),

  async open({ metadata, directions, signal, lost }) {
    checkMetadata(metadata, directions.input);
    const address = addressOf(metadata);
    await prove(address, metadata, signal);
    const clientId = `${metadata.consumerID}-producer`;
    const will = directions.input ? undefined : willOf(metadata);
    const sender = new Sender({
      identity: `${address.host}:${address.port} ${clientId}`,
      connect: (signal) =>
        Session.connect({
          ...{ address, clientId, lost, signal, will },
          keepAlive: metadata.keepAlive,
          // A session that outlives the connection would be of no use: it holds what is to be read.
          cleanStart: true,
        }),
    });
    return { address, metadata, sender, [Symbol.asyncDispose]: () => sender.close() };
  },

  operations: {
    create: {
      description:
        "Sends the data to a topic and waits for the server's acknowledgement, unless with QoS 0.",
      request: createFields,
      answerMetadata: {
        reasonCode: "The server's reason code, if it is not 0.",
        reason: "What the code means.",
      },
      async invoke({ sender }, { data, request, metadata, properties, signal }) {
        const message = messageOf(data, request, metadata, properties);
        const code = await sender.send((session) => session.publish(message, signal), signal);
        if (code === 0) return undefined;
        return { metadata: { reasonCode: hexCode(code), reason: reasonCodeName(code) } };
      },
    },
  },

  eventMetadata: {
    topic: "The topic.",
    qos: "The quality of service with which it was delivered.",
    retained: "`true`: the server has kept it.",
    duplicate: "`true`: it may have been delivered before.",
    contentType: "Its media type.",
    responseTopic: "Where its answer goes.",
    messageExpiry: "How many seconds it is still valid.",
    payloadFormat: "`utf8` or `bytes`.",
    correlationData: "What its answer must carry.",
    "correlationData.encoding": "`base64`: the correlation data is no text.",
    subscription: "The filters that it matches.",
  },

  guarantee: {
    returned: "is not acknowledged until the next connection",
    atLeastOnce:
      "the server keeps the session (`sessionExpiryInterval`); with QoS 0 events are lossy, those that come while nobody reads are lost",
    shared: "with a shared subscription, `$share/GROUP/FILTER`",
    duplicates: {
      app: "what the app has: `maxInFlight` (64)",
      runtime:
        "unacknowledged messages: `receiveMaximum` (128), or what the server limits (Mosquitto: 20)",
      server: "the same with QoS 1; none with QoS 2 while the runtime's process lives",
    },
  },

  isShared: ({ topic = [] }) => topic.length > 0 && topic.every((one) => one.startsWith("$share/")),

  read({ address, metadata }, reading) {
    return startConsumer(address, `${metadata.consumerID}-consumer`, reading);
  },

  returnsSingly: false,

  cutCause: ({ consumerID }) =>
    `another client uses the same consumerID, ${consumerID}: a server ends the older of two connections of one name (Session taken over), so give each process its own`,

  async ping({ address, metadata }, signal) {
    try {
      await prove(address, metadata, signal);
    } catch (error) {
      // Who is refused was answered.
      if (!(error instanceof BindingError) || error.reason !== "permission_denied") throw error;
    }
  },

  async examine({ address }, { metadata, signal, ask, omit }) {
    omit("exists");
    await ask("authenticated", "", () => prove(address, metadata, signal));
  },
});

function checkMetadata(metadata: MqttMetadata, isRead: boolean): void {
  const { topic = [], authenticationMethod } = metadata;
  if (authenticationMethod) {
    throw new BindingError(
      "invalid_argument",
      "enhanced authentication (authenticationMethod) is not supported; use a user with a password, or a client certificate",
    );
  }
  willOf(metadata);
  if (!isRead) return;
  if (topic.length === 0) {
    throw new BindingError("invalid_argument", "the metadata has no topic to read");
  }
  for (const filter of topic) checkFilter(filter);
}

function checkFilter(filter: string): void {
  if (!filter.startsWith("$share/")) return checkTopicFilter(filter);
  const [, group = "", ...levels] = filter.split("/");
  if (group === "" || /[+#]/.test(group) || levels.length === 0) {
    throw new BindingError(
      "invalid_argument",
      `topic ${JSON.stringify(filter)} is not shared as $share/GROUP/TOPIC`,
    );
  }
  checkTopicFilter(levels.join("/"));
}

function addressOf(metadata: MqttMetadata): BrokerAddress {
  const address = brokerAddress(metadata);
  return {
    ...address,
    username: metadata.username || address.username,
    password: metadata.password || address.password,
  };
}

/**
 * Connects under a name of no other use and leaves again: the producer's and the consumer's own names
 * may be in use by the connections that this one is to follow, and the server would end those.
 */
async function prove(
  address: BrokerAddress,
  metadata: MqttMetadata,
  signal: AbortSignal,
): Promise<void> {
  try {
    const session = await Session.connect({
      ...{ address, signal, keepAlive: metadata.keepAlive, cleanStart: true },
      clientId: `${metadata.consumerID}-check-${randomBytes(6).toString("hex")}`,
      lost() {},
    });
    await session.end();
  } catch (error) {
    // A server that is picky about names is there all the same.
    if (!(error instanceof BindingError) || error.systemCode !== "0x85") throw error;
  }
}
