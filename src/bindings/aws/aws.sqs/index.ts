import { defineBinding } from "../../../binding.ts";
import { problemsOf } from "../../../check-settings.ts";
import { BindingError } from "../../../errors.ts";
import { chainDriverVersions, needsAwsDriver } from "../../../identity/aws/identity.ts";
import { checkMetadata } from "../settings.ts";
import { createFields, sqsFields } from "./fields.ts";
import type { SqsMetadata } from "./fields.ts";
import { eventOf, messageOf } from "./message.ts";
import { checkQueueName, checkQueueTimes, Queue } from "../sqs-queue.ts";
import { startReader } from "../sqs-reader.ts";

/** Reads a queue of Amazon SQS, and sends to it. */
export default defineBinding({
  name: "aws.sqs",
  status: "beta",
  summary: "Reads an Amazon SQS queue, standard or FIFO, and sends messages to it.",
  provedBy: [
    { system: "moto", kind: "emulator" },
    { system: "ElasticMQ", kind: "emulator" },
  ],
  drivers: chainDriverVersions,
  needsDriver: needsAwsDriver,
  metadata: sqsFields,

  check: (metadata) => problemsOf([() => checkSettings(metadata)]),

  async open({ metadata, memory, driver, hide, signal }) {
    checkSettings(metadata);
    const queue = await Queue.open({ metadata, memory, driver, ...(hide ? { hide } : {}) });
    try {
      await queue.probe(signal);
    } catch (error) {
      await queue[Symbol.asyncDispose]();
      throw error;
    }
    return queue;
  },

  operations: {
    create: {
      description: "Sends the data, UTF-8 text, as one message.",
      request: createFields,
      idempotent: ({ messageDeduplicationId }) => Boolean(messageDeduplicationId),
      async invoke(queue, { data, request, signal }) {
        await queue.send(messageOf(data, request), signal);
      },
    },
  },

  eventMetadata: {
    queueName: "The queue.",
    messageId: "The message's id.",
    sentTimestamp: "When it was sent, in milliseconds since 1970.",
    receiveCount: "How often it was received.",
    firstReceiveTimestamp: "When it was received first.",
    senderId: "Who has sent it.",
    sequenceNumber: "Its number in a FIFO queue.",
    messageGroupId: "Its group.",
    messageDeduplicationId: "Its id for deduplication.",
    deadLetterQueueSourceArn: "The queue it came from, in a dead-letter queue.",
    awsTraceHeader: "The trace of X-Ray.",
  },

  guarantee: {
    returned: "is visible again after the pause; later ones of its group go on meanwhile",
    atLeastOnce:
      "the queue keeps the messages: 4 days unless it is set otherwise, and while they were received less often than its redrive policy says",
    key: "the message group of a FIFO queue",
    shared: true,
    duplicates: {
      app: "what the app has: `maxInFlight` (64)",
      runtime: "what was received: `maxInFlight` (64), and what waits for a retry",
      server:
        "the same at most; while the process lives what was handled is known by its id, also where its deletion was lost",
    },
  },

  read: (queue, reading) =>
    startReader(queue, reading, (message, rest) => [eventOf(message, queue, rest)]),

  async ping(queue, signal) {
    await queue.probe(signal);
  },

  async examine(queue, { metadata, signal, ask }) {
    await ask("authenticated", "", () => {});
    await ask("exists", `queue ${metadata.queueName}`, () => queue.find(signal));
  },

  async backlog(queue, signal) {
    return queue.count(signal);
  },
});

function checkSettings(metadata: SqsMetadata): void {
  checkMetadata(metadata);
  const { queueName, queueOwnerAccountId } = metadata;
  checkQueueName("queueName", queueName);
  if (queueOwnerAccountId && !/^\d{12}$/.test(queueOwnerAccountId))
    throw invalid("queueOwnerAccountId is no account: it has twelve digits");
  checkQueueTimes(metadata);
}

function invalid(why: string): BindingError {
  return new BindingError("invalid_argument", why);
}
