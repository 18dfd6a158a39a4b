import { bool, duration, integer, oneOf, string } from "../../../metadata/fields.ts";
import type { Values } from "../../../metadata/fields.ts";
import { caCertField } from "../../../metadata/tls-fields.ts";

export const slsFields = {
  endpoint: string({
    description:
      "The region's endpoint, with or without the project before it. Without a scheme it is asked over plain HTTP, as Alibaba's SDK does.",
    required: true,
    example: "https://cn-hangzhou.log.aliyuncs.com",
  }),
  accessKeyID: string({
    description: "The id of the access key.",
    required: true,
    example: "LTAI5tExample",
  }),
  accessKeySecret: string({
    description: "The secret of the access key.",
    required: true,
    sensitive: true,
  }),
  project: string({
    description: "The project that is read, and that of calls that name none.",
    example: "shop",
  }),
  logstore: string({
    description: "The Logstore that is read, and that of calls that name none.",
    example: "orders",
  }),
  topic: string({
    description: "The topic of calls that name none.",
    direction: "output",
    example: "checkout",
  }),
  source: string({
    description: "The source of calls that name none.",
    direction: "output",
    example: "shop-1",
  }),
  compression: oneOf(["none", "deflate"], {
    description: "How the logs are compressed on their way.",
    default: "none",
    direction: "output",
  }),
  consumerGroup: string({
    description:
      "The consumer group, whose members share the shards. It is created if it does not exist and that is allowed. Default: the app's id.",
    direction: "input",
    example: "shop",
  }),
  consumerName: string({
    description:
      "The name of this member, which no other one of the group may have at the same time. Default: made of the machine's name, the process's id and the component's name.",
    direction: "input",
    example: "shop-0",
  }),
  startFrom: oneOf(["newest", "oldest"], {
    description: "Where a shard begins that the group has no checkpoint of.",
    default: "newest",
    direction: "input",
  }),
  inOrder: bool({
    description: "Whether the logs of a shard are handled one after another, in its order.",
    default: "true",
    direction: "input",
  }),
  dataKey: string({
    description:
      "The key of a log whose value is the event's data; the other ones are its headers. Unset, or in a log without that key: all of the log as a JSON object.",
    direction: "input",
    example: "content",
  }),
  batchSize: integer({
    description: "The most log groups of one request. A group is what a writer has sent at once.",
    default: "64",
    min: 1,
    max: 1000,
    direction: "input",
  }),
  pollInterval: duration({
    description: "How long to wait after a shard had nothing new.",
    default: "500ms",
    positive: true,
    direction: "input",
  }),
  heartbeatInterval: duration({
    description:
      "The time between two heart-beats. A group that is created takes the shards of a member away after three times that, and not before 10 s.",
    default: "10s",
    positive: true,
    direction: "input",
  }),
  ...caCertField,
} as const;

export type SlsMetadata = Values<typeof slsFields>;
