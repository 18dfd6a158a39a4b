import { expect } from "vitest";
import sqs from "../../../../src/bindings/aws/aws.sqs/index.ts";
import { uniqueName } from "../../../servers/unique-name.ts";
import type { Source } from "../../contract.ts";
import { emulatorClient, emulatorLogin } from "../emulator-client.ts";

type Server = { readonly url: string };

/** Another program's client of one queue that no other test has. */
export async function makeQueue(
  server: Server,
  { fifo = false, attributes = {} }: { fifo?: boolean; attributes?: Record<string, string> } = {},
) {
  const call = emulatorClient(server.url, "sqs");
  const queueName = `${uniqueName("orders")
    .replaceAll(/[^\w-]/g, "-")
    .slice(0, 70)}${fifo ? ".fifo" : ""}`;
  const { QueueUrl } = await call<{ QueueUrl: string }>("AmazonSQS.CreateQueue", {
    QueueName: queueName,
    Attributes: { ...(fifo ? { FifoQueue: "true" } : {}), ...attributes },
  });
  let sent = 0;
  return {
    queueName,
    QueueUrl,
    properties: { ...emulatorLogin(server.url), queueName, waitTime: "1s" },
    call: <Answer>(operation: string, input: object = {}) =>
      call<Answer>(`AmazonSQS.${operation}`, { QueueUrl, ...input }),
    async send(text: string, key = "all", more: object = {}): Promise<string> {
      const order = fifo
        ? { MessageGroupId: key, MessageDeduplicationId: `${queueName}-${++sent}` }
        : {};
      const { MessageId } = await call<{ MessageId: string }>("AmazonSQS.SendMessage", {
        ...{ QueueUrl, MessageBody: text },
        ...order,
        ...more,
      });
      return MessageId;
    },
    /** Messages that wait, and those that somebody has. */
    async counts(): Promise<{ waiting: number; hidden: number }> {
      const { Attributes } = await call<{ Attributes: Record<string, string> }>(
        "AmazonSQS.GetQueueAttributes",
        {
          QueueUrl,
          AttributeNames: ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        },
      );
      return {
        waiting: Number(Attributes["ApproximateNumberOfMessages"]),
        hidden: Number(Attributes["ApproximateNumberOfMessagesNotVisible"]),
      };
    },
    /** Takes and deletes what is there. */
    async take(): Promise<Received[]> {
      const all: Received[] = [];
      for (;;) {
        const { Messages = [] } = await call<{ Messages?: Received[] }>(
          "AmazonSQS.ReceiveMessage",
          {
            ...{ QueueUrl, MaxNumberOfMessages: 10 },
            ...{ AttributeNames: ["All"], MessageAttributeNames: ["All"] },
          },
        );
        if (Messages.length === 0) return all;
        const Entries = Messages.map(({ ReceiptHandle }, at) => ({
          Id: String(at),
          ReceiptHandle,
        }));
        await call("AmazonSQS.DeleteMessageBatch", { QueueUrl, Entries });
        all.push(...Messages);
      }
    },
  };
}

type Received = {
  readonly Body: string;
  readonly ReceiptHandle: string;
  readonly Attributes: Record<string, string>;
  readonly MessageAttributes?: Record<string, { StringValue?: string }>;
};

/** Every character of a byte that the service carries. */
const text = Buffer.from(
  Array.from({ length: 128 }, (_, code) => String.fromCharCode(code))
    .join("")
    // oxlint-disable-next-line no-control-regex -- those that it does not carry
    .replaceAll(/[\x00-\x08\x0b\x0c\x0e-\x1f]/g, "ü€😀"),
);

export function sqsSource(server: Server, fifo = false): Source {
  return {
    binding: sqs,
    largest: text.length * 500,
    bytes: text,
    carriesNothing: false,
    ...(fifo ? { ordered: { properties: {}, keys: ["a", "b"] } } : {}),
    async place() {
      const queue = await makeQueue(server, { fifo });
      const { queueName, properties } = queue;
      return {
        properties: { ...properties, visibilityTimeout: "1s" },
        async send(data, key) {
          await queue.send(Buffer.from(data).toString(), key);
        },
        async sendMarked() {
          const messageId = await queue.send("x", "group-1", {
            MessageAttributes: {
              text: { DataType: "String", StringValue: "grün" },
              number: { DataType: "Number", StringValue: "7" },
              bytes: { DataType: "Binary", BinaryValue: Buffer.of(0, 255, 254).toString("base64") },
            },
          });
          return ({ metadata, headers, id }) => {
            expect(metadata).toMatchObject({
              ...{ queueName, messageId, receiveCount: "1" },
              sentTimestamp: expect.stringMatching(/^\d{13}$/),
              ...(fifo ? { messageGroupId: "group-1" } : {}),
            });
            expect(id).toBe(messageId);
            const came = headers.map(({ name, value }) => [name, Buffer.from(value)] as const);
            expect(Object.fromEntries(came)).toEqual({
              text: Buffer.from("grün"),
              number: Buffer.from("7"),
              bytes: Buffer.of(0, 255, 254),
            });
          };
        },
      };
    },
  };
}
