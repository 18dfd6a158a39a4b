import { randomBytes } from "node:crypto";
import { defineBinding } from "../../../binding.ts";
import { BindingError } from "../../../errors.ts";
import { string } from "../../../metadata/fields.ts";
import { brokerAddress } from "../address.ts";
import type { BrokerAddress } from "../address.ts";
import { startConsumer } from "./consumer.ts";
import { mqttFields } from "./fields.ts";
import type { MqttMetadata } from "./fields.ts";
import { Producer } from "./producer.ts";
import { MqttSession } from "./session.ts";
import { checkTopicFilter } from "../topics.ts";

const identifierRejected = "2";

export default defineBinding({
  name: "mqtt3",
  aliases: ["mqtt"],
  status: "beta",
  summary: "Reads from and sends to the topics of an MQTT 3.1.1 broker, with QoS 1.",
  openedOnce: "identity",
  provedBy: [{ system: "Mosquitto", kind: "real" }],
  metadata: mqttFields,

  async open({ metadata, directions, signal, lost }) {
    const address = brokerAddress(metadata);
    if (directions.input) checkTopicFilter(metadata.topic);
    await prove(address, metadata, signal);
    const producer = new Producer({
      address,
      clientId: `${metadata.consumerID}-producer`,
      keepAlive: metadata.keepAlive,
      lost,
    });
    return { address, metadata, producer, [Symbol.asyncDispose]: () => producer.close() };
  },

  operations: {
    create: {
      description: "Sends the data to a topic and waits for the broker's acknowledgement.",
      request: {
        topic: string({
          description: "The topic to send to. Default: the component's.",
          example: "orders/17/created",
        }),
      },
      async invoke({ producer }, { data, request, metadata, signal }) {
        const payload = data === undefined ? Buffer.alloc(0) : asBuffer(data);
        await producer.publish(request.topic || metadata.topic, payload, metadata.retain, signal);
      },
    },
  },

  eventMetadata: {
    topic: "The topic.",
  },

  guarantee: {
    returned: "is not acknowledged until the next connection",
    atLeastOnce: "the broker keeps the session",
    shared: "with a shared subscription, `$share/GROUP/FILTER`",
    duplicates: {
      app: "what the app has: `maxInFlight` (64)",
      runtime:
        "unacknowledged messages: Mosquitto 20, more after reconnects, and at most `maxInFlight` (64)",
      server: "the same",
    },
  },

  isShared: ({ topic }) => topic.startsWith("$share/"),

  read({ address, metadata }, reading) {
    return startConsumer(address, `${metadata.consumerID}-consumer`, reading);
  },

  returnsSingly: false,

  retry: {
    outbound: () => ({ attempts: 4, initial: 200, max: 200, multiplier: 1, jitter: 0 }),
  },

  cutCause: ({ consumerID }) =>
    `another client uses the same consumerID, ${consumerID}: a broker cuts the older of two connections of one name, so give each process its own`,

  async ping({ address, metadata }, signal) {
    await prove(address, metadata, signal);
  },

  async examine(_connection, { ask, omit }) {
    // A broker that refuses the log-in has not let the ping in.
    omit("exists");
    await ask("authenticated", "", () => {});
  },
});

/**
 * Connects under a name of no other use and leaves again: the producer's and the consumer's own names
 * may be in use by the connections that this one is to follow, and the broker would cut those.
 */
async function prove(
  address: BrokerAddress,
  metadata: MqttMetadata,
  signal: AbortSignal,
): Promise<void> {
  try {
    const session = await MqttSession.connect({
      address,
      clientId: `${metadata.consumerID}-check-${randomBytes(6).toString("hex")}`,
      clean: true,
      keepAlive: metadata.keepAlive,
      signal,
      lost() {},
    });
    await session.end();
  } catch (error) {
    // A broker that is picky about names is there all the same.
    if (!(error instanceof BindingError) || error.systemCode !== identifierRejected) throw error;
  }
}

function asBuffer(data: Uint8Array): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}
