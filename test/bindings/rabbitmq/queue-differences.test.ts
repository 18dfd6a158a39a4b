import type { ChannelModel } from "amqplib";
import { expect, test } from "vitest";
import { rabbitmqFields } from "../../../src/bindings/rabbitmq/fields.ts";
import { describe, differenceOf } from "../../../src/bindings/rabbitmq/queue-differences.ts";
import { queueNotices } from "../../../src/bindings/rabbitmq/queue-notices.ts";
import { useQueue } from "../../../src/bindings/rabbitmq/queue.ts";
import { parseFields } from "../../../src/metadata/parse.ts";

const said = (words: string): string =>
  `Operation failed: QueueDeclare; 406 (PRECONDITION-FAILED) with message "PRECONDITION_FAILED - inequivalent arg ${words}"`;

test.each([
  [
    "'durable' for queue 'q' in vhost '/': received 'false' but current is 'true'",
    "durable is false here and true at the server",
  ],
  [
    "'x-message-ttl' for queue 'it's' in vhost '/a': received none but current is the value '1000' of type 'short'",
    "ttl is not set here and 1000 at the server",
  ],
  [
    "'x-max-length' for queue 'q' in vhost '/': received '5' but current is '7'",
    "maxLength is 5 here and 7 at the server",
  ],
  [
    "'x-dead-letter-exchange' for queue 'q' in vhost '/': received the value 'it's ' of type 'longstr' but current is none",
    "deadLetterExchange is it's  here and not set at the server",
  ],
  [
    "'x-dead-letter-exchange' for queue 'q' in vhost '/': received none but current is the value '' of type 'longstr'",
    'deadLetterExchange is not set here and "" at the server',
  ],
  [
    "'x-dead-letter-routing-key' for queue 'q' in vhost '/': received '5' but current is '7'",
    "deadLetterRoutingKey is 5 here and 7 at the server",
  ],
  [
    "'x-single-active-consumer' for queue 'q' in vhost '/': received none but current is the value 'true' of type 'bool'",
    "singleActiveConsumer is not set here and true at the server",
  ],
])("a difference as the server words it: %s", (words, text) => {
  const difference = differenceOf(said(words));
  expect(difference && describe(difference)).toBe(text);
});

test("a digit in a text argument stays a text", () => {
  const words =
    "'x-dead-letter-routing-key' for queue 'q' in vhost '/': received none but current is the value '7' of type 'longstr'";
  expect(differenceOf(said(words))?.current).toBe("7");
  expect(differenceOf("something else")).toBeUndefined();
});

/** A server of another kind, whose words nobody knows. */
function strangeServer(text: string, isThere: boolean): { model: ChannelModel; asked: string[] } {
  const asked: string[] = [];
  const refuse = (code: number, words: string): Promise<never> =>
    Promise.reject(Object.assign(new Error(words), { code }));
  const channel = {
    on() {},
    close: async () => {},
    assertQueue(_: string, options: object) {
      asked.push(JSON.stringify(options));
      return refuse(406, text);
    },
    checkQueue: () => (isThere ? Promise.resolve({}) : refuse(404, "no queue")),
  };
  const model: Partial<ChannelModel> = { createChannel: () => Promise.resolve(channel as never) };
  return { model: model as ChannelModel, asked };
}

const metadata = parseFields(rabbitmqFields, { host: "amqp://h", queueName: "q" }).values;

test("a refusal in other words: the queue is used if it is there, with those words", async () => {
  const { model } = strangeServer("declared with other arguments", true);
  const [notice] = queueNotices(metadata, await useQueue(model, metadata));
  expect(notice).toContain("used as it is");
  expect(notice).toContain("declared with other arguments");
  const absent = strangeServer("no such arguments", false);
  await expect(useQueue(absent.model, metadata)).rejects.toMatchObject({
    reason: "invalid_argument",
    message: expect.stringContaining("no such arguments") as string,
  });
});

test("a server that names the same difference for ever is not asked for ever", async () => {
  const words = "'x-queue-type' for queue 'q' in vhost '/': received none but current is strange";
  const { model, asked } = strangeServer(said(words), true);
  const queue = await useQueue(model, metadata);
  expect(asked).toHaveLength(2);
  expect(queue.differences).toHaveLength(1);
});
