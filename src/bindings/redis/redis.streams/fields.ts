import {
  bool,
  byPrefix,
  duration,
  integer,
  oneOf,
  string,
  type Values,
} from "../../../metadata/fields.ts";
import { redisFields } from "../fields.ts";

/** The metadata of a component for a stream. Where Dapr's pub/sub has a name for the same, it is an alias. */
export const streamFields = {
  ...redisFields,
  stream: string({
    description: "The key of the stream to read, and to add to.",
    required: true,
    example: "orders",
  }),
  dataField: string({
    description:
      "The field of an entry that has the data. Empty: the data is a JSON object of all fields, as an event and in a call.",
    default: "data",
  }),

  consumerGroup: string({
    description:
      "The consumer group, by which the server keeps the position. It is created if it does not exist, with the stream.",
    required: true,
    direction: "input",
    aliases: ["consumerID"],
    example: "shop",
  }),
  consumer: string({
    description:
      "The consumer's own name, by which it finds again what it had. Each process needs its own. Default: the host's name.",
    direction: "input",
    example: "shop-1",
  }),
  startFrom: oneOf(["newest", "oldest"], {
    description:
      "Where a group that is created begins: behind the newest entry, or with the oldest.",
    default: "newest",
    direction: "input",
  }),
  keyField: string({
    description:
      "The field of an entry that has its key: entries of the same key are handled one after another.",
    direction: "input",
    example: "customer",
  }),
  claimAfter: duration({
    description:
      "The idle time after which an entry of another consumer is claimed. While the app has an entry its idle time is reset.",
    default: "60s",
    positive: true,
    direction: "input",
    aliases: ["processingTimeout"],
  }),
  deleteHandled: bool({
    description: "Delete an entry once it is handled. Only where no other group reads the stream.",
    default: "false",
    direction: "input",
  }),

  maxLength: integer({
    description: "Trim the stream to so many entries when one is added.",
    direction: "output",
    min: 0,
    aliases: ["maxLenApprox"],
    example: "100000",
  }),
  maxAge: duration({
    description: "Trim entries that are older than this when one is added.",
    direction: "output",
    positive: true,
    aliases: ["streamTTL"],
    example: "24h",
  }),
  approximate: bool({
    description: "Trim where that is cheap: somewhat more stays.",
    direction: "output",
    default: "true",
  }),
} as const;

export type StreamMetadata = Values<typeof streamFields>;

export const createFields = {
  fields: byPrefix(
    "field:",
    string({ description: "A further field of the entry.", example: "customer-17" }),
  ),
  minId: string({
    description:
      "Trim entries with a smaller id than this one. Instead of the component's trimming.",
    example: "1526919030474-0",
  }),
} as const;
