import { expect, test } from "vitest";
import sqs from "../../../../src/bindings/aws/aws.sqs/index.ts";
import { describeWith } from "../../../servers/describe-with.ts";
import { openOutput } from "../../opened-output.ts";
import { emulatorLogin } from "../emulator-client.ts";
import { scriptedService } from "../scripted-service.ts";
import { makeQueue } from "./contract-source.ts";

describeWith("moto", (server) => {
  test("create sends the data as text, with attributes, and answers nothing", async () => {
    const queue = await makeQueue(server);
    await using output = await openOutput(sqs, queue.properties);
    const metadata = { "attribute:region": "eü", "attribute:kind.of": "order" };
    expect(await output.invoke("create", metadata, { data: '{"a":"ü😀\t"}' })).toBeUndefined();
    const [message] = await queue.take();
    expect(message?.Body).toBe('{"a":"ü😀\t"}');
    expect(message?.MessageAttributes).toMatchObject({
      region: { StringValue: "eü" },
      "kind.of": { StringValue: "order" },
    });
  });

  test("create delays a message", async () => {
    const queue = await makeQueue(server);
    await using output = await openOutput(sqs, queue.properties);
    await output.invoke("create", { delaySeconds: "600" }, { data: "later" });
    const { Attributes } = await queue.call<{ Attributes: Record<string, string> }>(
      "GetQueueAttributes",
      { AttributeNames: ["ApproximateNumberOfMessagesDelayed"] },
    );
    expect(Attributes["ApproximateNumberOfMessagesDelayed"]).toBe("1");
  });

  test("create sends to a group of a FIFO queue, once for each id", async () => {
    const queue = await makeQueue(server, { fifo: true });
    await using output = await openOutput(sqs, queue.properties);
    const metadata = { messageGroupId: "g", messageDeduplicationId: "d" };
    await output.invoke("create", metadata, { data: "one" });
    await output.invoke("create", metadata, { data: "one" });
    const came = await queue.take();
    expect(came.map(({ Body, Attributes }) => [Body, Attributes["MessageGroupId"]])).toEqual([
      ["one", "g"],
    ]);
  });

  test.each([
    ["bytes that are no text", {}, Uint8Array.of(0xff, 0xfe), "is not UTF-8"],
    ["a character that it does not carry", {}, "a\u0001b", "does not carry, at 1"],
    ["an attribute's name", { "attribute:a b": "x" }, "x", "is no name"],
    ["an attribute's value", { "attribute:a": "\u0000" }, "x", "the attribute a"],
  ])("create refuses %s before anything is sent", async (_what, metadata, data, why) => {
    const queue = await makeQueue(server);
    await using output = await openOutput(sqs, queue.properties);
    await expect(output.invoke("create", metadata, { data })).rejects.toMatchObject({
      reason: "invalid_argument",
      effect: "rejected",
      message: expect.stringContaining(why) as string,
    });
    expect(await queue.counts()).toEqual({ waiting: 0, hidden: 0 });
  });

  test("nothing is refused by the service, in its own words", async () => {
    const queue = await makeQueue(server, { fifo: true });
    await using output = await openOutput(sqs, queue.properties);
    await expect(output.invoke("create", {}, { data: "x" })).rejects.toMatchObject({
      reason: "invalid_argument",

      message: expect.stringContaining("operation error SQS: SendMessage, ") as string,
    });
  });

  test("a queue that is not there is told when it is opened", async () => {
    const properties = { ...emulatorLogin(server.url), queueName: "nowhere" };
    await expect(openOutput(sqs, properties)).rejects.toMatchObject({ reason: "not_found" });
  });
});

test("who may only send, sends: the queue's address is made of the account that the refusal names", async () => {
  const service = await scriptedService({
    GetQueueUrl: () => "AccessDeniedException",
    SendMessage: () => ({ MessageId: "m-1" }),
  });
  const properties = {
    ...emulatorLogin(service.url),
    queueName: "orders",
    queueOwnerAccountId: "123456789012",
  };
  await using output = await openOutput(sqs, properties);
  await output.ping();
  await output.invoke("create", {}, { data: "x" });
  expect(service.of("SendMessage")[0]?.input).toEqual({
    QueueUrl: `${service.url}/123456789012/orders`,
    MessageBody: "x",
  });
  expect(service.of("GetQueueUrl")).toHaveLength(2);
});

test("the address of a queue is asked for once, and again when the queue is gone", async () => {
  let deleted = false;
  const service = await scriptedService({
    GetQueueUrl: () => ({ QueueUrl: "http://queue/1" }),
    SendMessage: () => (deleted ? "QueueDoesNotExist" : {}),
  });
  const properties = { ...emulatorLogin(service.url), queueName: "orders" };
  await using output = await openOutput(sqs, properties);
  for (const data of ["a", "b", "c"]) await output.invoke("create", {}, { data });
  expect(service.of("GetQueueUrl")).toHaveLength(1);
  deleted = true;
  await expect(output.invoke("create", {}, { data: "d" })).rejects.toMatchObject({
    reason: "not_found",
  });
  deleted = false;
  await output.invoke("create", {}, { data: "e" });
  expect(service.of("GetQueueUrl")).toHaveLength(2);
});
