import { bool, byPrefix, duration, integer, list, oneOf, string } from "../../metadata/fields.ts";
import type { Values } from "../../metadata/fields.ts";
import { caCertField } from "../../metadata/tls-fields.ts";

export const rocketmqFields = {
  proxyEndpoint: string({
    description:
      "The gRPC address of RocketMQ 5's proxy: `host:port`, or `https://host:port` (TLS). Dapr has no such field, and needs none: it speaks to the name server and the brokers.",
    example: "rocketmq-proxy:8081",
  }),
  topics: list({
    description:
      "The topics, separated by commas; each may have a tag after `||`: `orders||paid`. All are read; `create` sends to each of them, with that tag, unless the call names one. Without a tag, or with `*`, all messages of the topic are read.",
    example: "orders,payments||eu",
  }),
  consumerGroup: string({
    description: "The consumer group. Required of a component that reads.",
    direction: "input",
    example: "shop",
  }),
  accessKey: string({
    description: "The access key. Requests are signed with `secretKey` then.",
    sensitive: true,
  }),
  secretKey: string({ description: "The secret of the access key.", sensitive: true }),
  securityToken: string({
    description: "The session token of temporary keys. Dapr has no such field.",
    sensitive: true,
  }),
  instanceId: string({
    description: "The namespace of topics and groups.",
    example: "MQ_INST_1",
  }),
  consumerBatchSize: integer({
    description: "The most messages of one answer, from 1 to 32. 0: 32.",
    min: 0,
    default: "0",
    direction: "input",
    example: "10",
  }),
  subscriptionType: oneOf(["tag", "sql"], {
    description:
      "What stands after `||` of a topic: a tag, or a condition of SQL-92 on the messages' properties, for brokers with `enablePropertyFilter`. Dapr has no such field.",
    default: "tag",
    direction: "input",
  }),
  invisibleDuration: duration({
    description:
      "How long a message that was received is hidden from other consumers; renewed while the app or the runtime has it. From `10s` to `12h`. Dapr has no such field.",
    default: "30s",
    positive: true,
    direction: "input",
  }),
  waitTime: duration({
    description:
      "How long one request waits for messages, from `1s` to `20s`. A message that comes again is given out when a request begins or ends. Dapr has no such field.",
    default: "5s",
    positive: true,
    direction: "input",
  }),
  retries: integer({
    description: "How often a message that could not be sent is sent again.",
    min: 0,
    direction: "output",
    example: "3",
  }),
  tls: bool({
    description: "Uses TLS for an address of the form `host:port`. Dapr has no such field.",
    default: "false",
  }),
  ...caCertField,
  nameServer: string({
    description:
      "The name servers that Dapr's component asks. Not used: see `proxyEndpoint`, without which the component fails.",
    example: "rocketmq:9876",
  }),
  nameServerDomain: string({
    description: "Where Dapr's component asks for the name servers. Not used.",
    example: "http://rocketmq/nsaddr",
  }),
  endpoint: string({
    description: "The address of Dapr's protocol `http`. Not used.",
    example: "http://rocketmq:8080",
  }),
  accessProto: string({
    description: "The protocol of Dapr's component: `tcp`, `tcp-cgo` or `http`. Not used.",
    example: "tcp",
  }),
  consumerThreadNums: integer({
    description: "The threads of Dapr's protocol `tcp-cgo`. Not used: see `maxInFlight`.",
    min: 0,
    direction: "input",
    example: "20",
  }),
} as const;

export type RocketmqMetadata = Values<typeof rocketmqFields>;

export const createFields = {
  "rocketmq-topic": string({
    description: "The topic. Default: each of the component's `topics`.",
    example: "orders",
  }),
  "rocketmq-tag": string({
    description: "The message's tag, where the call names the topic.",
    example: "paid",
  }),
  "rocketmq-key": string({
    description:
      "The message's key, by which it can be looked up. Several are separated by spaces.",
    example: "order-17",
  }),
  "rocketmq-message-group": string({
    description:
      "The message's group, for topics of the type FIFO: those of a group stay in order. Dapr has no such field.",
    example: "customer-7",
  }),
  "rocketmq-deliver-after": duration({
    description:
      "How much later the message can be received, for topics of the type DELAY. Dapr has no such field.",
    positive: true,
    example: "10m",
  }),
  properties: byPrefix(
    "property:",
    string({
      description: "The value of the message's property NAME. Dapr has no such field.",
      example: "eu",
    }),
  ),
} as const;

export type CreateRequest = Values<typeof createFields>;
