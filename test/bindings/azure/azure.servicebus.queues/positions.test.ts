import { expect, test, vi } from "vitest";
import queues from "../../../../src/bindings/azure/azure.servicebus.queues/index.ts";
import { read } from "../../contract.ts";
import { startNamespace } from "../namespace.ts";
import { bytes } from "./contract-source.ts";

const soon = { timeout: 20_000, interval: 5 };

async function place() {
  const namespace = await startNamespace();
  const queue = namespace.queue("orders");
  const put = (text: string, more: object = {}): void => queue.put({ body: bytes(text), ...more });
  const { connectionString } = namespace;
  const begin = async () => {
    const started = await read(
      { binding: queues },
      { properties: { connectionString, queueName: "orders" } },
    );
    await vi.waitFor(() => expect(started.status().state).toBe("running"), soon);
    return started;
  };
  return { namespace, queue, put, begin };
}

test("azure.servicebus.queues: Without a position", async () => {
  const { put, begin } = await place();
  put("1");
  put("2");
  const { app } = await begin();
  await vi.waitFor(() => expect(app.texts).toEqual(["1", "2"]), soon);
});

test("azure.servicebus.queues: After a gap", async () => {
  const { queue, put, begin } = await place();
  put("expires", { ttl: 1 });
  put("stays");
  await vi.waitFor(() => expect(queue.messages).toHaveLength(1), soon);
  const { app } = await begin();
  await vi.waitFor(() => expect(app.texts).toEqual(["stays"]), soon);
});

test("azure.servicebus.queues: Grows", async () => {
  const { put, begin } = await place();
  const { app } = await begin();
  put("new");
  await vi.waitFor(() => expect(app.texts).toEqual(["new"]), soon);
});

test("azure.servicebus.queues: Shrinks", async () => {
  const { queue, put, begin } = await place();
  put("1");
  const { app, status } = await begin();
  await vi.waitFor(() => expect(queue.messages).toEqual([]), soon);
  put("2");
  await vi.waitFor(() => expect(app.texts).toEqual(["1", "2"]), soon);
  expect(status().state).toBe("running");
});

test("azure.servicebus.queues: Made anew", async () => {
  const { queue, put, begin } = await place();
  const { app, status } = await begin();
  await vi.waitFor(() => expect(queue.links).toHaveLength(1), soon);
  for (const { sender } of queue.links)
    sender.close({ condition: "amqp:not-found", description: "The queue was deleted." });
  await vi.waitFor(() => expect(status().state).not.toBe("running"), soon);
  put("of the new queue");
  await vi.waitFor(() => expect(app.texts).toEqual(["of the new queue"]), soon);
});
