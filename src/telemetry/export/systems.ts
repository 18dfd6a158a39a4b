import { attribute } from "./conventions.ts";

/** A field of a component that tells where its system's data go. */
type Fields = readonly string[];

/** What a binding type connects to, in the words of the semantic conventions. */
export type System = {
  readonly kind: "messaging" | "db" | "http" | "rpc" | "other";
  /** The conventions' name of the system, else the type's own. */
  readonly name: string;
  /** Of a component: what has the name of the queue, topic, table or bucket; the first that is there counts. */
  readonly target?: Fields;
  /** Of a component: what has the database. */
  readonly namespace?: Fields;
  /** Of a component: what has the consumers' group. */
  readonly group?: Fields;
  /** Of a component: what has the server's address, as a URL or as `host:port`. */
  readonly server?: Fields;
  /** Metadata of an event, and the attributes that they are. */
  readonly event?: Readonly<Record<string, string>>;
};

const messaging = (name: string, more: Omit<System, "kind" | "name">): System => ({
  ...{ kind: "messaging", name },
  ...more,
});
const db = (name: string, more: Omit<System, "kind" | "name"> = {}): System => ({
  ...{ kind: "db", name },
  ...more,
});
const http = (...server: string[]): System => ({ kind: "http", name: "http", server });
const other = (name: string, more: Omit<System, "kind" | "name"> = {}): System => ({
  ...{ kind: "other", name },
  ...more,
});
const rpc = (name: string, ...server: string[]): System => ({ kind: "rpc", name, server });

const redis = { server: ["redisHost"], namespace: ["redisDB"] };
const mqtt = messaging("mqtt", {
  ...{ target: ["topic"], server: ["url"] },
  event: { topic: attribute.messagingDestination },
});
const zeebe = rpc("grpc", "gatewayAddr");

/** By type, without `bindings.`. Types that are not here are systems of no kind that the conventions know. */
export const systems: Readonly<Record<string, System>> = {
  "alicloud.dingtalk.webhook": http("url"),
  "alicloud.oss": other("alicloud.oss", { target: ["bucket"], server: ["endpoint"] }),
  "alicloud.sls": messaging("alicloud.sls", {
    ...{ target: ["logstore"], group: ["consumerGroup"], server: ["endpoint"] },
    event: { shard: attribute.messagingPartition, logstore: attribute.messagingDestination },
  }),
  "alicloud.tablestore": db("alicloud.tablestore", {
    ...{ target: ["tableName"], namespace: ["instanceName"], server: ["endpoint"] },
  }),
  amqp: messaging("amqp", { target: ["address"], server: ["url"] }),
  apns: http("apiUrl"),
  "aws.dynamodb": db("aws.dynamodb", { target: ["table"], server: ["endpoint"] }),
  "aws.kinesis": messaging("aws.kinesis", {
    ...{ target: ["streamName"], group: ["consumerName"], server: ["endpoint"] },
    event: { shardId: attribute.messagingPartition, sequenceNumber: attribute.messagingId },
  }),
  "aws.s3": other("aws.s3", { target: ["bucket"], server: ["endpoint"] }),
  "aws.ses": other("aws.ses", { server: ["endpoint"] }),
  "aws.sns": messaging("aws.sns", { target: ["topicArn"], server: ["endpoint"] }),
  "aws.sqs": messaging("aws.sqs", {
    ...{ target: ["queueName"], server: ["endpoint"] },
    event: { messageId: attribute.messagingId },
  }),
  "azure.blobstorage": other("azure.blobstorage", {
    ...{ target: ["containerName"], server: ["endpoint"] },
  }),
  "azure.cosmosdb": db("azure.cosmosdb", {
    ...{ target: ["collection"], namespace: ["database"], server: ["url"] },
  }),
  "azure.cosmosdb.gremlinapi": db("azure.cosmosdb", { server: ["url"] }),
  "azure.eventgrid": messaging("azure.eventgrid", { server: ["topicEndpoint"] }),
  "azure.eventhubs": messaging("azure.eventhubs", {
    ...{ target: ["eventHub"], group: ["consumerGroup"] },
  }),
  "azure.openai": http("endpoint"),
  "azure.servicebus.queues": messaging("azure.servicebus", { target: ["queueName"] }),
  "azure.signalr": other("azure.signalr", { target: ["hub"], server: ["endpoint"] }),
  "azure.storagequeues": messaging("azure.storagequeues", {
    ...{ target: ["queueName"], server: ["queueEndpoint", "endpoint"] },
    event: { messageID: attribute.messagingId },
  }),
  "cloudflare.queues": messaging("cloudflare.queues", {
    ...{ target: ["queueName"], server: ["workerUrl"] },
  }),
  commercetools: http("apiUrl"),
  cron: other("cron"),
  dubbo: rpc("dubbo", "providerHostname"),
  exec: other("exec"),
  file: other("file"),
  "gcp.bucket": other("gcp.bucket", { target: ["bucket"], server: ["endpoint"] }),
  "gcp.pubsub": messaging("gcp.pubsub", {
    ...{ target: ["topic"], group: ["subscription"], server: ["endpoint"] },
  }),
  graphql: http("endpoint"),
  grpc: rpc("grpc", "address"),
  http: http("url"),
  "huawei.obs": other("huawei.obs", { target: ["bucket"], server: ["endpoint"] }),
  imap: other("imap", { target: ["mailbox"], server: ["host"] }),
  influx: db("influxdb", { namespace: ["bucket"], server: ["url"] }),
  kafka: messaging("kafka", {
    ...{ target: ["publishTopic", "topics"], group: ["consumerGroup"], server: ["brokers"] },
    event: {
      __topic: attribute.messagingDestination,
      __partition: attribute.messagingPartition,
      __offset: attribute.kafkaOffset,
      __key: attribute.kafkaKey,
    },
  }),
  kitex: rpc("kitex", "hostPorts"),
  kubemq: messaging("kubemq", { target: ["channel"], server: ["address"] }),
  kubernetes: other("kubernetes"),
  localstorage: other("localstorage"),
  mqtt3: mqtt,
  mqtt5: mqtt,
  mysql: db("mysql", { server: ["url"] }),
  nats: messaging("nats", {
    ...{ target: ["subject"], group: ["consumer"], server: ["servers"] },
    event: { subject: attribute.messagingDestination, sequence: attribute.messagingId },
  }),
  postgres: db("postgresql", { namespace: ["database"], server: ["host", "hostaddr"] }),
  postmark: http("apiUrl"),
  rabbitmq: messaging("rabbitmq", {
    ...{ target: ["queueName"], server: ["host"] },
    event: { messageId: attribute.messagingId, routingKey: attribute.rabbitmqRoutingKey },
  }),
  redis: db("redis", redis),
  "redis.streams": messaging("redis", {
    ...{ target: ["stream"], group: ["consumerGroup"], server: ["redisHost"] },
    event: { id: attribute.messagingId },
  }),
  "rethinkdb.statechange": db("rethinkdb", {
    ...{ target: ["table"], namespace: ["database"], server: ["address", "addresses"] },
  }),
  rocketmq: messaging("rocketmq", {
    ...{ target: ["topics"], group: ["consumerGroup"], server: ["proxyEndpoint", "endpoint"] },
  }),
  sftp: other("sftp", { server: ["address"] }),
  smtp: other("smtp", { server: ["host"] }),
  sse: http("url"),
  "twilio.sendgrid": http("apiUrl"),
  "twilio.sms": http("apiUrl"),
  wasm: other("wasm"),
  webhook: other("webhook"),
  websocket: other("websocket", { server: ["url"] }),
  "zeebe.command": zeebe,
  "zeebe.jobworker": zeebe,
};

/** What the type of a component connects to. */
export function systemOf(type: string): System {
  const name = type.replace(/^(bindings|state)\./i, "").toLowerCase();
  return (Object.hasOwn(systems, name) ? systems[name] : undefined) ?? other(name);
}

/** The first of the fields that says something. */
export function fieldText(
  metadata: Readonly<Record<string, unknown>>,
  fields: Fields = [],
): string | undefined {
  for (const field of fields) {
    const value = metadata[field];
    const one: unknown = Array.isArray(value) && value.length === 1 ? value[0] : value;
    if (typeof one === "number" || (typeof one === "string" && one !== "")) return String(one);
  }
  return undefined;
}

/** Host and port of a URL, or of the first `host:port` of a list. Nothing else of it: there may be secrets. */
export function serverOf(
  metadata: Readonly<Record<string, unknown>>,
  fields: Fields = [],
): { readonly address: string; readonly port: number | undefined } | undefined {
  for (const field of fields) {
    const value = metadata[field];
    const first: unknown = Array.isArray(value) ? value[0] : value;
    if (typeof first !== "string" || first === "") continue;
    const parsed = addressOf(first.split(",", 1)[0] ?? "");
    if (parsed !== undefined) return parsed;
  }
  return undefined;
}

function addressOf(text: string): { address: string; port: number | undefined } | undefined {
  const url = text.includes("://") ? text : `any://${text}`;
  if (!URL.canParse(url)) return undefined;
  const { hostname, port } = new URL(url);
  if (hostname === "") return undefined;
  return { address: hostname, port: port === "" ? undefined : Number(port) };
}
