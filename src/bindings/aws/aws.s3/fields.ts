import { bool, duration, string } from "../../../metadata/fields.ts";
import type { Values } from "../../../metadata/fields.ts";
import { objectSourceFields } from "../../../metadata/object-source-fields.ts";
import { awsFields, regionOrAwsRegionField } from "../fields.ts";
import { queueReadingFields } from "../queue-fields.ts";

const presignTTL = duration({
  description: "How long a presigned URL is good, at most 7 days.",
  positive: true,
  example: "15m",
});

const storageClass = string({
  description: "The storage class of a new object.",
  example: "STANDARD_IA",
});

/** The component's metadata. */
export const s3Fields = {
  bucket: string({ description: "The bucket.", required: true, example: "shop-invoices" }),
  ...regionOrAwsRegionField,
  ...awsFields,
  forcePathStyle: bool({
    description:
      "Address the bucket in the path, `https://host/bucket/key`, not in the host's name.",
    default: "false",
  }),
  disableSSL: bool({
    description: "An `endpoint` without a scheme is one of http.",
    default: "false",
  }),
  insecureSSL: bool({
    description: "Do not check the server's certificate.",
    default: "false",
  }),
  decodeBase64: bool({ description: "`create` decodes its data from base64.", default: "false" }),
  encodeBase64: bool({ description: "`get` encodes its answer in base64.", default: "false" }),
  filePath: string({
    description:
      "A file of this machine that `create` stores in place of its data, where the call names none. It lies beneath `localRoot`.",
  }),
  localRoot: string({
    description:
      "The folder of this machine that calls may name files in, with `filePath`. Without it such calls are refused. Dapr has no such limit.",
    example: "/var/lib/shop/files",
  }),
  presignTTL,
  storageClass,
  ...objectSourceFields,
  notificationQueue: string({
    description:
      "The name of the SQS queue that S3 notifies of new objects, directly, by SNS or by EventBridge. With it nothing is listed, and `onHandled` is not allowed.",
    direction: "input",
    example: "shop-uploads",
  }),
  notificationQueueOwnerAccountId: string({
    description: "The account that `notificationQueue` belongs to, where it is another.",
    direction: "input",
    example: "123456789012",
  }),
  notificationEndpoint: string({
    description:
      "The base URL of SQS, for an emulator or a private endpoint; `endpoint` is that of S3 alone. Default: `AWS_ENDPOINT_URL_SQS` or `AWS_ENDPOINT_URL` of the environment, else AWS itself. Required where `endpoint` is not AWS's.",
    direction: "input",
    example: "http://localhost:4566",
  }),
  ...queueReadingFields,
};

export type S3Metadata = Values<typeof s3Fields>;

const key = string({ description: "The object's key.", example: "2026/invoice-42.pdf" });
const versionId = string({
  description: "A version of the object. Default: the current one. Dapr has no such field.",
});
const filePath = string({
  description:
    "A file of this machine, beneath the component's `localRoot`, whose content is stored in place of the data.",
});
const decodeBase64 = bool({ description: "In place of the component's `decodeBase64`." });
const encodeBase64 = bool({ description: "In place of the component's `encodeBase64`." });

/** The request metadata of each operation. */
export const requestFields = {
  create: {
    key: string({ description: "The object's key. Default: a random UUID." }),
    "Content-Type": string({
      description: "The object's content type.",
      example: "application/pdf",
    }),
    tags: string({
      description: "The object's tags: `name=value`, with commas between.",
      example: "project=shop,year=2026",
    }),
    filePath,
    decodeBase64,
    presignTTL: duration({
      description: "The answer has a presigned URL of the object, good for so long.",
      positive: true,
    }),
    storageClass,
  },
  get: { key, versionId, encodeBase64 },
  delete: { key, versionId },
  list: {},
  presign: {
    key,
    presignTTL: duration({
      description: "How long the URL is good. Default: the component's.",
      positive: true,
    }),
  },
  bulkGet: { encodeBase64 },
  bulkCreate: { decodeBase64 },
  bulkDelete: {},
};
