import { string } from "../../metadata/fields.ts";
import type { Values } from "../../metadata/fields.ts";
import { caCertField } from "../../metadata/tls-fields.ts";

export const queuesFields = {
  queueName: string({ description: "The queue.", required: true, example: "orders" }),
  workerName: string({
    description: "The worker's name, for which tokens are made, and under which it is deployed.",
    required: true,
    example: "shop-queues",
  }),
  key: string({
    description: "The Ed25519 key whose public part the worker has, in PKCS#8 PEM.",
    required: true,
    sensitive: true,
  }),
  workerUrl: string({
    description:
      "The worker's address. Without it the worker is deployed, with cfAPIToken and cfAccountID.",
    example: "https://shop-queues.example.workers.dev",
  }),
  cfAPIToken: string({
    description: "The API token that deploys the worker. Not used with workerUrl.",
    sensitive: true,
  }),
  cfAccountID: string({
    description: "The account where the worker is deployed. Not used with workerUrl.",
  }),
  timeoutInSeconds: string({
    description: "Maximum duration of a request, in seconds.",
    default: "20",
  }),
  ...caCertField,
} as const;

export type QueuesMetadata = Values<typeof queuesFields>;
