import { byPrefix, integer, string } from "../../../metadata/fields.ts";
import type { Values } from "../../../metadata/fields.ts";
import { awsFields, regionField } from "../fields.ts";
import { queueReadingFields } from "../queue-fields.ts";

/** The metadata of a component for a queue; Dapr has `queueName` and the common fields only. */
export const sqsFields = {
  queueName: string({
    description: "The queue's name. That of a FIFO queue ends with `.fifo`.",
    required: true,
    example: "orders",
  }),
  queueOwnerAccountId: string({
    description:
      "The account that the queue belongs to. With it the queue's URL is known, and `sqs:GetQueueUrl` is not needed.",
    example: "123456789012",
  }),
  ...regionField,
  ...awsFields,
  ...queueReadingFields,
} as const;

export type SqsMetadata = Values<typeof sqsFields>;

export const createFields = {
  delaySeconds: integer({
    description: "Seconds until the message can be received. Not for FIFO queues.",
    min: 0,
    max: 900,
    example: "60",
  }),
  messageGroupId: string({
    description:
      "The message's group: in a FIFO queue, which requires it, the messages of a group stay in order.",
    example: "customer-17",
  }),
  messageDeduplicationId: string({
    description:
      "A FIFO queue takes messages with the same id within five minutes for one. It makes a call idempotent.",
    example: "order-4711",
  }),
  attributes: byPrefix(
    "attribute:",
    string({ description: "An attribute of the message, a text.", example: "eu" }),
  ),
} as const;

export type CreateRequest = Values<typeof createFields>;
