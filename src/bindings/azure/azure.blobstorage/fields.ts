import { entraFields } from "../../../metadata/entra-fields.ts";
import { bool, duration, integer, string } from "../../../metadata/fields.ts";
import type { Values } from "../../../metadata/fields.ts";
import { objectSourceFields } from "../../../metadata/object-source-fields.ts";
import { accountKeyField, endpointField } from "../storage-fields.ts";
import { caCertField } from "../../../metadata/tls-fields.ts";

/** The metadata of a component, as Dapr names it. */
export const blobFields = {
  accountName: string({
    description: "The storage account. Required without connectionString.",
    aliases: ["storageAccount", "storageAccountName"],
    example: "shop",
  }),
  accountKey: accountKeyField,
  connectionString: string({
    description:
      "The connection string of the account, with its key or a shared access signature, in place of the fields for account, key and endpoint.",
    sensitive: true,
  }),
  containerName: string({
    description: "The container. It is created if it does not exist and that is allowed.",
    required: true,
    aliases: ["container", "storageAccountContainer"],
    example: "invoices",
  }),
  endpoint: endpointField,
  ...entraFields,
  publicAccessLevel: string({
    description:
      "Who may read a container that is created without a login: `none`, `blob` or `container`.",
    default: "none",
  }),
  disableEntityManagement: bool({
    description: "Do not create the container.",
    default: "false",
  }),
  decodeBase64: bool({
    description: "Decode the data of `create` and `bulkCreate` from base64 before they are stored.",
    default: "false",
    direction: "output",
  }),
  retryCount: integer({
    description:
      "How often the runtime repeats a call that was not sent, or that does no harm when it is repeated.",
    default: "3",
    min: 0,
    direction: "output",
  }),
  getBlobRetryCount: integer({
    description: "The old name of retryCount, which comes first.",
    deprecated: "use retryCount",
    min: 0,
    direction: "output",
  }),
  localRoot: string({
    description:
      "The folder of this machine that calls may name files in (`filePath`, `sourcePath`, `destinationDir`). Without it such calls are refused. Dapr has no such field.",
    direction: "output",
    example: "/var/lib/shop/blobs",
  }),

  ...objectSourceFields,
  pollInterval: duration({
    description: "The pause between two listings, or after the queue of notifications was empty.",
    default: "5s",
    positive: true,
    direction: "input",
  }),
  notificationQueue: string({
    description:
      "The queue of Azure Storage that Event Grid writes new blobs to. With it nothing is listed, and `onHandled` is not allowed.",
    direction: "input",
    example: "new-invoices",
  }),
  notificationAccountName: string({
    description:
      "The storage account that `notificationQueue` is in, where it is another; the component logs in to it by Entra ID.",
    direction: "input",
    example: "shopevents",
  }),
  notificationConnectionString: string({
    description:
      "The connection string of the account that `notificationQueue` is in, with its key or a shared access signature.",
    sensitive: true,
    direction: "input",
  }),
  notificationEndpoint: string({
    description:
      "The URL of the queue service in place of Azure's own, as for an emulator; the account's name is put behind it.",
    direction: "input",
    example: "http://127.0.0.1:10001",
  }),
  visibilityTimeout: duration({
    description:
      "How long a notification that was read is invisible to others. It is renewed while its blobs are held. Whole seconds.",
    default: "30s",
    positive: true,
    direction: "input",
  }),
  ...caCertField,
} as const;

export type BlobMetadata = Values<typeof blobFields>;

const blobName = string({
  description: "The blob.",
  example: "2026/order-42.json",
});

const signTTL = string({
  description: "For how long the signed URL is good, as `15m`. Needs the account's key.",
  example: "15m",
});

export const createFields = {
  blobName: string({
    description: "The blob. Default: a random UUID.",
    example: "2026/order-42.json",
  }),
  signTTL,
  contentType: string({
    description:
      "The content type. The names of this and the next five count in any case. All other request metadata are stored as the blob's metadata.",
    example: "application/json",
  }),
  contentMD5: string({
    description: "The MD5 of the data in base64, which the service compares.",
    example: "Q2hlY2sgSW50ZWdyaXR5IQ==",
  }),
  contentEncoding: string({ description: "The content encoding.", example: "gzip" }),
  contentLanguage: string({ description: "The content language.", example: "en" }),
  contentDisposition: string({ description: "The content disposition.", example: "inline" }),
  cacheControl: string({ description: "The cache control.", example: "no-cache" }),
} as const;

export const getFields = {
  blobName,
  includeMetadata: string({
    description: "Return the blob's metadata, too: true or false.",
    example: "true",
  }),
  filePath: string({
    description: "Store the blob as this file beneath localRoot, in place of returning it.",
    example: "order-42.json",
  }),
} as const;

export const deleteFields = {
  blobName,
  deleteSnapshots: string({
    description: "Delete the snapshots too (`include`), or them alone (`only`).",
    example: "include",
  }),
} as const;

export const presignFields = { blobName, signTTL } as const;
