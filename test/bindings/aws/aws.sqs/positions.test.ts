// One test for each cell of the row in docs/positions.md.
import { expect, test, vi } from "vitest";
import sqs from "../../../../src/bindings/aws/aws.sqs/index.ts";
import { describeWith } from "../../../servers/describe-with.ts";
import { read } from "../../contract.ts";
import { makeQueue } from "./contract-source.ts";

const soon = { timeout: 20_000, interval: 5 };

describeWith("moto", (server) => {
  test("aws.sqs: Without a position", async () => {
    const queue = await makeQueue(server);
    await queue.send("before");
    const { app } = await read({ binding: sqs }, queue);
    await vi.waitFor(() => expect(app.texts).toEqual(["before"]), soon);
  });

  test("aws.sqs: After a gap", async () => {
    const dead = await makeQueue(server);
    const { Attributes } = await dead.call<{ Attributes: { QueueArn: string } }>(
      "GetQueueAttributes",
      { AttributeNames: ["QueueArn"] },
    );
    const redrive = { deadLetterTargetArn: Attributes.QueueArn, maxReceiveCount: 1 };
    const attributes = { RedrivePolicy: JSON.stringify(redrive) };
    const queue = await makeQueue(server, { attributes });
    await queue.send("received too often");
    const received = { VisibilityTimeout: 0 };
    await queue.call("ReceiveMessage", received);
    await queue.send("next");
    const { app } = await read({ binding: sqs }, queue);
    await vi.waitFor(() => expect(app.texts).toEqual(["next"]), soon);
  });

  test("aws.sqs: Grows", async () => {
    const queue = await makeQueue(server);
    const { app } = await read({ binding: sqs }, queue);
    for (const text of ["1", "2"]) await queue.send(text);
    await vi.waitFor(() => expect(app.texts.toSorted()).toEqual(["1", "2"]), soon);
  });

  test("aws.sqs: Shrinks", async () => {
    const queue = await makeQueue(server);
    await queue.send("purged");
    await queue.call("PurgeQueue");
    await queue.send("kept");
    const { app } = await read({ binding: sqs }, queue);
    await vi.waitFor(() => expect(app.texts).toEqual(["kept"]), soon);
  });

  test("aws.sqs: Made anew", { timeout: 60_000 }, async () => {
    const queue = await makeQueue(server);
    const { app, status } = await read({ binding: sqs }, queue);
    await vi.waitFor(() => expect(status().state).toBe("running"), soon);
    await queue.call("DeleteQueue");
    await vi.waitFor(() => expect(status().state).toBe("reconnecting"), soon);
    await queue.call("CreateQueue", { QueueName: queue.queueName });
    await queue.send("new");
    await vi.waitFor(() => expect(app.texts).toEqual(["new"]), soon);
  });
});
