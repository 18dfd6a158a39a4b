import { bool, string, type Values } from "../../../metadata/fields.ts";
import { googleFields } from "../../../metadata/google-fields.ts";
import { objectSourceFields } from "../../../metadata/object-source-fields.ts";
import { ackDeadlineField } from "../ack-deadline.ts";

const key = string({ description: "The object's name.", example: "2026/order-42.json" });
const name = string({ description: "The older name of `key`, which goes before it." });
const decodeBase64 = bool({
  description: "The data are base64, and are stored decoded. Default: the component's.",
});
const encodeBase64 = bool({
  description: "Answers with the object in base64. Default: the component's.",
});

export const bucketFields = {
  bucket: string({ description: "The bucket.", required: true, example: "orders" }),
  ...googleFields,
  decodeBase64: bool({
    description: "The data of `create` are base64, and are stored decoded.",
    default: "false",
  }),
  encodeBase64: bool({
    description: "Answers of `get` and `bulkGet` have the objects in base64.",
    default: "false",
  }),
  signTTL: string({
    description: "For how long a signed URL is good, as Go writes durations, up to 7 days.",
    example: "15m",
  }),
  contentType: string({
    description:
      "The content type of objects that are stored. Default: `text/plain; charset=utf-8` or `application/octet-stream`, by the data.",
    example: "application/json",
  }),
  endpoint: string({
    description:
      "The server's URL. Default: `STORAGE_EMULATOR_HOST`, else `https://storage.googleapis.com`. Without TLS only the fields of a key are used to log in, no default credentials.",
    example: "https://storage.europe-west3.rep.googleapis.com",
  }),
  caCert: string({
    description:
      "The certificates of the authorities to trust in place of the system's, in PEM, or a file of them.",
  }),
  ...objectSourceFields,
  notificationSubscription: string({
    description:
      "The subscription of the topic that Cloud Storage notifies of new objects: its name, or `projects/PROJECT/subscriptions/NAME`. With it nothing is listed, and `onHandled` is not allowed.",
    direction: "input",
    example: "shop-uploads",
  }),
  notificationEndpoint: string({
    description:
      "The server of Pub/Sub: `host:port`, or `https://` and that for TLS; `endpoint` is that of Cloud Storage alone. Default: `PUBSUB_EMULATOR_HOST`, else `https://pubsub.googleapis.com`.",
    direction: "input",
    example: "https://europe-west3-pubsub.googleapis.com",
  }),
  ...ackDeadlineField,
} as const;

export type BucketMetadata = Values<typeof bucketFields>;

export const createFields = {
  key: string({ description: "The object's name. Default: a random UUID.", example: "order-42" }),
  ...{ name, decodeBase64 },
  contentType: string({
    description: "The object's content type. Default: the component's.",
    example: "text/csv",
  }),
} as const;

export const keyFields = { key, name } as const;
export const getFields = { key, name, encodeBase64 } as const;
export const bulkGetFields = { encodeBase64 } as const;
export const signFields = {
  ...{ key, name },
  signTTL: string({
    description: "For how long the URL is good. Default: the component's.",
    example: "1h",
  }),
} as const;
