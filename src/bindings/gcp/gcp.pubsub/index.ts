import { defineBinding } from "../../../binding.ts";
import { problemsOf } from "../../../check-settings.ts";
import { BindingError } from "../../../errors.ts";
import { Identity, identityDrivers, needsLibrary } from "../../../identity/gcp/identity.ts";
import type { Values } from "../../../metadata/fields.ts";
import { authoritiesOf } from "../../../tls/pem.ts";
import { checkAckDeadline } from "../ack-deadline.ts";
import { examineEntity, type Entity } from "../examine-entity.ts";
import { fullName } from "../names.ts";
import { placeOf } from "../place.ts";
import { PubsubClient } from "../pubsub-client.ts";
import { encodePublish } from "../pubsub-messages.ts";
import { SubscriptionReader } from "../subscription-reader.ts";
import { createFields, pubsubFields } from "./fields.ts";
import { eventOf } from "./message.ts";

type Metadata = Values<typeof pubsubFields>;

const scopes = [
  "https://www.googleapis.com/auth/cloud-platform",
  "https://www.googleapis.com/auth/pubsub",
];
const empty = new Uint8Array();

export default defineBinding({
  name: "gcp.pubsub",
  status: "beta",
  summary: "Publishes to topics of Google Cloud Pub/Sub, and reads subscriptions.",
  provedBy: [{ system: "Pub/Sub (pstest)", kind: "emulator" }],
  drivers: identityDrivers,
  metadata: pubsubFields,
  example: {
    topic: "orders",
    subscription: "shop-orders",
  },

  needsDriver: (_name, metadata) => place(metadata).credentials === "all" && needsLibrary(metadata),

  check: async (metadata, { input }) => problemsOf([() => checkMetadata(metadata, input)]),

  async open({ metadata, directions, memory, hide, driver, signal }) {
    checkMetadata(metadata, directions.input);
    const where = place(metadata);
    const caCert = await authoritiesOf(metadata.caCert);
    const isAnonymous =
      where.credentials === "none" || (where.credentials === "fields" && !metadata.privateKeyID);
    const identity = isAnonymous
      ? undefined
      : await Identity.open({ credentials: metadata, scopes, memory, hide, driver }, signal);
    const client = new PubsubClient({ place: where, identity, caCert, memory });
    try {
      await client.ping(signal);
      return client;
    } catch (error) {
      await client[Symbol.asyncDispose]();
      throw error;
    }
  },

  operations: {
    create: {
      description: "Publishes a message, and waits until the topic has it.",
      request: createFields,
      async invoke(client, { data = empty, request, metadata, signal }) {
        const topic = fullName("topic", request.topic || metadata.topic || "", metadata.projectID);
        const attributes = [...request.attributes].map(
          ([name, value]) => [name.toWellFormed(), value.toWellFormed()] as const,
        );
        const orderingKey = request.orderingKey?.toWellFormed() ?? "";
        const message = encodePublish(topic, { data, attributes, orderingKey });
        const route = ["topic", topic] as const;
        await client.call("Publisher/Publish", message, { what: "", route, signal });
      },
    },
  },

  guarantee: {
    returned: "is delivered again, with the later ones of its ordering key",
    atLeastOnce: "the subscription retains the messages, and has no dead letters",
    key: "the ordering key, where the subscription keeps the order",
    shared: true,
    duplicates: {
      app: "what the app has: `maxInFlight` (64)",
      runtime: "what the server delivered: `maxInFlight` (64), and what waits for a retry",
      server: "the same; without exactly-once delivery, Pub/Sub may repeat any message at times",
    },
  },

  read(client, reading) {
    const { metadata, notice } = reading;
    if (!metadata.subscription) {
      notice("nothing is read: the metadata has no subscription");
      return { stop() {}, flush() {}, close() {} };
    }
    const subscription = fullName("subscription", metadata.subscription, metadata.projectID);
    const { ackDeadline } = metadata;
    return new SubscriptionReader({ client, subscription, ackDeadline, reading, eventOf });
  },

  async examine(client, questions) {
    const { metadata, directions, unknown, omit } = questions;
    const { topic, subscription, projectID } = metadata;
    const entities: Entity[] = [];
    if (directions.output && topic)
      entities.push({ kind: "topic", name: fullName("topic", topic, projectID) });
    if (directions.input && subscription)
      entities.push({
        ...{ kind: "subscription", name: fullName("subscription", subscription, projectID) },
      });
    if (entities.length === 0) omit("exists");
    for (const entity of entities)
      if ((await examineEntity(client, entity, questions)) === "unauthenticated") return;
    if (directions.output && !topic) unknown("may write", "", "each call names its topic");
    if (directions.input && !subscription)
      unknown("may read", "", "nothing is read: the metadata has no subscription");
  },

  async ping(client, signal) {
    await client.ping(signal);
  },
});

function place({ endpoint }: Metadata) {
  return placeOf(endpoint, "PUBSUB_EMULATOR_HOST", "https://pubsub.googleapis.com");
}

function checkMetadata({ topic, subscription, projectID, ackDeadline }: Metadata, isRead: boolean) {
  if (topic) fullName("topic", topic, projectID);
  // A component that names no direction may be an output alone.
  if (subscription) fullName("subscription", subscription, projectID);
  else if (isRead && !topic)
    throw new BindingError("invalid_argument", "the metadata has neither subscription nor topic");
  checkAckDeadline(ackDeadline);
}
