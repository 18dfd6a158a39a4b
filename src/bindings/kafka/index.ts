import { abortable } from "../../abortable.ts";
import type { Base } from "@platformatic/kafka";
import { defineBinding } from "../../binding.ts";
import type { Call, Opening, Reader } from "../../binding.ts";
import { BindingError, messageOf } from "../../errors.ts";
import { chainDriverVersions, needsAwsDriver } from "../../identity/aws/identity.ts";
import { entraDrivers, needsEntraDriver } from "../../identity/azure/entra.ts";
import { string } from "../../metadata/fields.ts";
import type { LoginAccess } from "./aws-token.ts";
import { avroEncoder } from "./avro.ts";
import type { AvroEncoder } from "./avro.ts";
import { clientOptions, describeTopics, orDefault } from "./client.ts";
import type { Driver } from "./client.ts";
import { loadKafkaDriver } from "./driver.ts";
import { errorOf } from "./failures.ts";
import { kafkaFields } from "./fields.ts";
import { GroupObserver } from "./group-observer.ts";
import { GroupReader } from "./group-reader.ts";
import { TopicProducer } from "./producer.ts";
import { boundUnpacking } from "./unpacking.ts";

type KafkaConnection = AsyncDisposable & {
  readonly driver: Driver;
  readonly access: LoginAccess;
  readonly client: Base;
  readonly producer: TopicProducer | undefined;
  readonly encode: AvroEncoder;
  readonly exclude: RegExp | undefined;
  reader: GroupReader | undefined;
  observer: GroupObserver | undefined;
};

const requestFields = {
  partitionKey: string({ description: "The message's key.", example: "order-1" }),
  __key: string({
    description: "The message's key if partitionKey is not set.",
    example: "order-1",
  }),
  partitionNumber: string({
    description: "The partition to write to. Default: chosen by key, or at random.",
    example: "3",
  }),
  valueSchemaType: string({
    description:
      "avro: encode the data, which are JSON, with the topic's schema in the registry. none: send them unchanged.",
    example: "avro",
  }),
};

type CreateCall = Call<typeof kafkaFields, typeof requestFields>;

/**
 * Apache Kafka. Reading is at least once: the group's offset never passes an event that was not
 * handled, and a restart repeats only what was not handled.
 */
export default defineBinding({
  name: "kafka",
  status: "stable",
  summary: "Reads and writes the topics of an Apache Kafka cluster.",
  provedBy: [
    { system: "Apache Kafka", kind: "real" },
    { system: "Microsoft Entra ID", kind: "stand-in" },
  ],

  drivers: { ...chainDriverVersions, ...entraDrivers },
  needsDriver: (name, metadata) =>
    name in entraDrivers
      ? metadata.authType === "entraid" && needsEntraDriver(metadata)
      : metadata.authType === "awsiam" && needsAwsDriver(name, metadata),
  metadata: kafkaFields,
  example: {
    topics: "orders",
    consumerGroup: "shop",
    publishTopic: "orders",
    authType: "none",
  },

  async open(opening) {
    const { metadata, directions } = opening;
    const exclude = excludeOf(metadata.excludeHeaderMetaRegex);
    if (directions.input && metadata.topics?.length && !metadata.consumerGroup) {
      throw new BindingError(
        "invalid_argument",
        "kafka error: topics are given without consumerGroup; name the group to read them in",
        { effect: "unsent" },
      );
    }
    const driver = await loadKafkaDriver();
    boundUnpacking(driver);
    const { hide, memory, driver: library } = opening;
    const access = { hide, memory, driver: library };
    const options = clientOptions(metadata, access);
    const client = new driver.Base({
      ...options,
      requestTimeout: orDefault(metadata.writeTimeout, 30_000) + (options.requestTimeout ?? 0),
    });
    try {
      await prove(client, opening);
    } catch (error) {
      await client.close().catch(() => {});
      throw error;
    }
    const { publishTopic } = metadata;
    const writes = directions.output && publishTopic;
    const producer = writes
      ? new TopicProducer(driver, client, publishTopic, metadata, opening.logger)
      : undefined;
    return {
      driver,
      access,
      client,
      producer,
      encode: avroEncoder(metadata),
      exclude,
      reader: undefined,
      observer: undefined,
      async [Symbol.asyncDispose]() {
        producer?.close();
        await this.observer?.close();
        await client.close();
      },
    } satisfies KafkaConnection as KafkaConnection;
  },

  operations: {
    create: {
      description:
        "Writes a message to publishTopic. Without data, or with the text null, it is a tombstone.",
      request: requestFields,
      async invoke(connection, call) {
        const { producer } = connection;
        const { publishTopic } = call.metadata;
        if (producer === undefined || !publishTopic) {
          throw new BindingError(
            "failed_precondition",
            "kafka error: missing 'publishTopic' attribute",
            { effect: "unsent" },
          );
        }
        const key = call.request.partitionKey ?? call.request.__key;
        const encoded = valueOf(publishTopic, connection, call);
        const value = encoded instanceof Promise ? await encoded : encoded;
        const message = {
          key: key === undefined ? undefined : Buffer.from(key),
          partition: partitionOf(call.request.partitionNumber),
          headers: headersOf(call.properties, connection.exclude),
          value,
        };
        await producer.send(message, call.signal);
      },
    },
  },

  eventMetadata: {
    __topic: "The topic.",
    __partition: "The partition.",
    __offset: "The offset in the partition.",
    __timestamp: "The record's time, in milliseconds since 1970.",
    __key: "The key, if it has one.",
    "__key.encoding": "`base64`: the key is no text.",
  },

  guarantee: {
    returned: "stays in its partition: the committed offset does not pass it",
    atLeastOnce: "the topic retains its events",
    key: "the record's key, else its partition",
    shared: true,
    duplicates: {
      app: "what the app has: `maxInFlight` (64)",
      runtime:
        "what the app has, and what was handled since the last commit, once a second (50/s: 164)",
      server:
        "none while the process runs and no other member reads the partition; 164 if it ends before a commit succeeds",
    },
  },

  async read(connection, reading) {
    const { topics, consumerGroup } = reading.metadata;
    if (!topics?.length || !consumerGroup) {
      reading.logger.warn(
        {},
        "no topics are given, so nothing is read; give topics, or direction: output",
      );
      return silent;
    }
    const reader = new GroupReader(
      connection.driver,
      reading,
      consumerGroup,
      topics,
      connection.exclude,
      connection.access,
    );
    try {
      await reader.start();
    } catch (error) {
      await reader.close();
      throw errorOf(`kafka error: could not read in group ${consumerGroup}`, error, "unsent");
    }
    connection.reader = reader;
    return reader;
  },

  spreads: true,

  returnsSingly: false,

  nullAs: ({ nullAs }) => nullAs,

  retry: {
    inbound: ({ consumeRetryEnabled }) =>
      consumeRetryEnabled
        ? { attempts: Infinity, initial: 5000, max: 5000, multiplier: 1, jitter: 0 }
        : {},
    outbound: ({ producerRetryMax }) => ({
      attempts: producerRetryMax + 1,
      initial: 100,
      max: 100,
      multiplier: 1,
      jitter: 0,
    }),
  },

  cutCause: ({ consumerGroup }) =>
    consumerGroup
      ? `a member of group ${consumerGroup} whose heartbeats do not reach the coordinator within sessionTimeout, or which somebody removes`
      : "a broker closes the connections; its log may say why",

  async ping(connection) {
    try {
      await describeTopics(connection.client, [], true);
    } catch (error) {
      throw errorOf("kafka error: no broker answers", error, "unsent");
    }
  },

  async examine({ client }, { metadata, directions, ask, omit }) {
    // A connection that was refused has not come so far.
    if (metadata.authType === "none") omit("authenticated");
    else await ask("authenticated", "", () => `by ${metadata.authType}`);
    const topics = [
      ...(directions.input ? (metadata.topics ?? []) : []),
      ...(directions.output && metadata.publishTopic ? [metadata.publishTopic] : []),
    ];
    for (const topic of new Set(topics))
      await ask("exists", `topic ${topic}`, () => examineTopic(client, topic));
  },

  backlogIsPart: true,

  async backlog(connection) {
    if (connection.reader === undefined) return 0;
    return connection.reader.backlog();
  },

  async totalBacklog(connection, { metadata, signal }) {
    const { topics, consumerGroup: group } = metadata;
    if (!topics?.length || !group)
      throw new BindingError(
        "failed_precondition",
        "kafka error: no topics are given, so nothing is read; give topics and consumerGroup",
        { effect: "unsent" },
      );
    const { driver, access, client } = connection;
    connection.observer ??= new GroupObserver(driver, metadata, access, group);
    try {
      return await connection.observer.backlog(client, topics, signal);
    } catch (error) {
      throw errorOf(`kafka error: the backlog of group ${group} is not known`, error, "unsent");
    }
  },
});

const silent: Reader = { stop() {}, flush() {}, close() {} };

/** Looks a topic up, and has none made that is not there. */
async function examineTopic(client: Base, topic: string): Promise<string> {
  try {
    const { topics } = await describeTopics(client, [topic], true);
    return counted(topics.get(topic)?.partitionsCount ?? 0, "partition");
  } catch (error) {
    const failed = errorOf(`kafka error: topic ${topic} could not be looked up`, error, "unsent");
    if (!failed.message.includes("Unknown topic")) throw failed;
    throw new BindingError(
      "not_found",
      `there is no topic ${topic}; create it, or correct the name`,
    );
  }
}

function counted(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? "" : "s"}`;
}

/** Asks any broker for the cluster, which needs a connection, TLS and authentication to work. */
async function prove(
  client: Base,
  { metadata, signal }: Opening<typeof kafkaFields>,
): Promise<void> {
  try {
    await abortable(
      describeTopics(client, [], true),
      signal,
      () =>
        new BindingError("cancelled", "kafka error: opening was cancelled", { effect: "unsent" }),
    );
  } catch (error) {
    throw errorOf(
      `kafka error: could not connect to ${metadata.brokers.join(", ")}`,
      error,
      "unsent",
    );
  }
}

// Go writes flags for the whole expression at its beginning, JavaScript beside it.
function excludeOf(text: string | undefined): RegExp | undefined {
  if (!text) return undefined;
  const [, flags = "", rest = text] = /^\(\?([ims]+)\)(.*)$/s.exec(text) ?? [];
  try {
    return new RegExp(rest, flags);
  } catch (error) {
    throw new BindingError(
      "invalid_argument",
      `kafka error: excludeHeaderMetaRegex: ${messageOf(error)}`,
      { effect: "unsent" },
    );
  }
}

function partitionOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\+?\d{1,10}$/.test(text)) return Number(text);
  const quoted = JSON.stringify(text);
  const why = /^-\d+$/.test(text)
    ? `partitionNumber must be non-negative, got ${text}`
    : `invalid partitionNumber metadata value ${quoted}: strconv.ParseInt: parsing ${quoted}: invalid syntax`;
  throw new BindingError("invalid_argument", why);
}

function headersOf(
  properties: Readonly<Record<string, string>>,
  exclude: RegExp | undefined,
): Map<Buffer, Buffer> {
  const headers = new Map<Buffer, Buffer>();
  for (const name of Object.keys(properties)) {
    if (!exclude?.test(name)) headers.set(nameBytes(name), Buffer.from(properties[name] ?? ""));
  }
  return headers;
}

const names = new Map<string, Buffer>();

/** A header's name in bytes, which are nobody's to change. */
function nameBytes(name: string): Buffer {
  let bytes = names.get(name);
  if (bytes === undefined) {
    bytes = Buffer.from(name);
    // Callers can make names up without end, of any length.
    if (names.size < 1000 && name.length < 100) names.set(name, bytes);
  }
  return bytes;
}

function valueOf(
  topic: string,
  { encode }: KafkaConnection,
  { data, properties }: CreateCall,
): Promise<Buffer> | Buffer | undefined {
  const avro = wantsAvro(properties);
  if (data === undefined) return undefined;
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  if (bytes.length === 4 && bytes.equals(nullText)) return undefined;
  return avro ? encode(topic, bytes) : bytes;
}

const nullText = Buffer.from("null");

// The one name of a request's metadata that Dapr reads in any case.
function wantsAvro(properties: Readonly<Record<string, string>>): boolean {
  const name = Object.keys(properties).find(
    (one) => one.length === 15 && one.toLowerCase() === "valueschematype",
  );
  const type = (name === undefined ? undefined : properties[name])?.toLowerCase();
  if (type === undefined || type === "" || type === "none") return false;
  if (type === "avro") return true;
  throw new BindingError(
    "invalid_argument",
    `kafka error: valueSchemaType must be avro or none, not ${JSON.stringify(type)}`,
  );
}
