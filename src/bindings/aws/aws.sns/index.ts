import { defineBinding } from "../../../binding.ts";
import { problemsOf } from "../../../check-settings.ts";
import { BindingError } from "../../../errors.ts";
import { chainDriverVersions, needsAwsDriver } from "../../../identity/aws/identity.ts";
import { AwsClient } from "../client.ts";
import { checkedAttributes, checkId } from "../message-text.ts";
import { checkMetadata } from "../settings.ts";
import { createFields, snsFields } from "./fields.ts";
import type { CreateRequest, SnsMetadata } from "./fields.ts";
import { payloadOf } from "./payload.ts";

const version = "2010-03-31";

/** Publishes to a topic of Amazon SNS. */
export default defineBinding({
  name: "aws.sns",
  status: "beta",
  summary: "Publishes messages to an Amazon SNS topic.",
  provedBy: [{ system: "moto", kind: "emulator" }],
  drivers: chainDriverVersions,
  needsDriver: needsAwsDriver,
  metadata: snsFields,

  check: (metadata) => problemsOf([() => checkSettings(metadata)]),

  async open({ metadata, memory, driver, hide, signal }): Promise<Topic & AsyncDisposable> {
    checkSettings(metadata);
    const opening = { metadata, memory, driver, ...(hide ? { hide } : {}) };
    const client = await AwsClient.open(opening, { id: "SNS", host: "sns" });
    const topic = {
      client,
      topicArn: metadata.topicArn,
      [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
    };
    try {
      await probe(topic, signal);
    } catch (error) {
      await client[Symbol.asyncDispose]();
      throw error;
    }
    return topic;
  },

  operations: {
    create: {
      description:
        "Publishes one message. The data are a JSON object with `message` and, for mails, `subject`.",
      request: createFields,
      idempotent: ({ messageDeduplicationId }) => Boolean(messageDeduplicationId),
      async invoke({ client, topicArn }, { data, request, signal }) {
        const { message, subject } = payloadOf(data);
        const parameters = {
          TopicArn: topicArn,
          Message: message,
          ...(subject === undefined ? {} : { Subject: subject }),
          ...requestParameters(request),
        };
        await client.query({ operation: "Publish", version }, parameters, signal);
      },
    },
  },

  async ping(topic, signal) {
    await probe(topic, signal);
  },

  async examine(topic, { signal, ask }) {
    await ask("authenticated", "", () => {});
    await ask("exists", `topic ${topic.topicArn}`, () => describe(topic, signal));
  },
});

type Topic = { readonly client: AwsClient; readonly topicArn: string };

async function describe({ client, topicArn }: Topic, signal: AbortSignal): Promise<void> {
  await client.query({ operation: "GetTopicAttributes", version }, { TopicArn: topicArn }, signal);
}

async function probe(topic: Topic, signal: AbortSignal): Promise<void> {
  try {
    await describe(topic, signal);
  } catch (error) {
    // The service is there, and has said who may ask what.
    if (!(error instanceof BindingError) || error.reason !== "permission_denied") throw error;
  }
}

function requestParameters(request: CreateRequest): Record<string, string> {
  const { messageGroupId, messageDeduplicationId, attributes } = request;
  checkId("messageGroupId", messageGroupId);
  checkId("messageDeduplicationId", messageDeduplicationId);
  const entries = checkedAttributes(attributes, "SNS").flatMap(([name, value], at) => {
    const entry = `MessageAttributes.entry.${at + 1}`;
    return [
      [`${entry}.Name`, name],
      [`${entry}.Value.DataType`, "String"],
      [`${entry}.Value.StringValue`, value],
    ] as const;
  });
  return {
    ...(messageGroupId ? { MessageGroupId: messageGroupId } : {}),
    ...(messageDeduplicationId ? { MessageDeduplicationId: messageDeduplicationId } : {}),
    ...Object.fromEntries(entries),
  };
}

function checkSettings(metadata: SnsMetadata): void {
  checkMetadata(metadata);
  if (/^arn:[\w-]+:sns:[\w-]+:\d{12}:[\w-]{1,256}(?:\.fifo)?$/.test(metadata.topicArn)) return;
  const text = `topicArn ${JSON.stringify(metadata.topicArn)} is no ARN of a topic, such as arn:aws:sns:eu-central-1:123456789012:orders`;
  throw new BindingError("invalid_argument", text);
}
