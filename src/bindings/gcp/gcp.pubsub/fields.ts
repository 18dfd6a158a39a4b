import { byPrefix, string } from "../../../metadata/fields.ts";
import { googleFields } from "../../../metadata/google-fields.ts";
import { ackDeadlineField } from "../ack-deadline.ts";

export const pubsubFields = {
  topic: string({
    description:
      "The topic that `create` publishes to: its name, or `projects/PROJECT/topics/NAME`.",
    direction: "output",
    example: "orders",
  }),
  subscription: string({
    description:
      "The subscription that is read: its name, or `projects/PROJECT/subscriptions/NAME`.",
    direction: "input",
    example: "orders-shop",
  }),
  ...googleFields,
  endpoint: string({
    description:
      "The server: `host:port`, or `https://` and that for TLS. Default: `PUBSUB_EMULATOR_HOST`, else `https://pubsub.googleapis.com`. Without TLS only the fields of a key are used to log in, no default credentials.",
    example: "https://europe-west3-pubsub.googleapis.com",
  }),
  caCert: string({
    description:
      "The certificates of the authorities to trust in place of the system's, in PEM, or a file of them.",
  }),
  ...ackDeadlineField,
} as const;

export const createFields = {
  topic: string({
    description: "The topic. Default: the component's.",
    example: "orders",
  }),
  orderingKey: string({
    description: "The message's ordering key.",
    example: "customer-7",
  }),
  attributes: byPrefix(
    "attribute:",
    string({ description: "The value of the message's attribute NAME.", example: "de" }),
  ),
} as const;
