import { byPrefix, string } from "../../../metadata/fields.ts";
import type { Values } from "../../../metadata/fields.ts";
import { awsFields, regionOrAwsRegionField } from "../fields.ts";

/** The metadata of a component for a topic. */
export const snsFields = {
  topicArn: string({
    description: "The topic's ARN. That of a FIFO topic ends with `.fifo`.",
    required: true,
    example: "arn:aws:sns:eu-central-1:123456789012:orders",
  }),
  ...regionOrAwsRegionField,
  ...awsFields,
} as const;

export type SnsMetadata = Values<typeof snsFields>;

export const createFields = {
  messageGroupId: string({
    description: "The message's group, within which a FIFO topic keeps the order. It requires it.",
    example: "customer-17",
  }),
  messageDeduplicationId: string({
    description:
      "A FIFO topic takes messages with the same id within five minutes for one. It makes a call idempotent.",
    example: "order-4711",
  }),
  attributes: byPrefix(
    "attribute:",
    string({
      description: "An attribute of the message, a text, by which subscriptions filter.",
      example: "eu",
    }),
  ),
} as const;

export type CreateRequest = Values<typeof createFields>;
