// One test for each cell of the row in docs/positions.md.
import { expect, test, vi } from "vitest";
import storageQueues from "../../../../src/bindings/azure/azure.storagequeues/index.ts";
import { describeWith } from "../../../servers/describe-with.ts";
import { read } from "../../contract.ts";
import { makeQueue } from "../queue-source.ts";

const soon = { timeout: 20_000, interval: 5 };

describeWith("azurite-queue", (server) => {
  const begin = (properties: Record<string, string>) =>
    read({ binding: storageQueues }, { properties });

  test("azure.storagequeues: Without a position", async () => {
    const queue = await makeQueue(server);
    await queue.sendMessage("1");
    const { app } = await begin(queue.properties);
    await vi.waitFor(() => expect(app.texts).toEqual(["1"]), soon);
    const missing = await makeQueue(server, { create: false });
    const other = await begin(missing.properties);
    await vi.waitFor(() => expect(other.status().state).toBe("running"), soon);
    await missing.sendMessage("2");
    await vi.waitFor(() => expect(other.app.texts).toEqual(["2"]), soon);
  });

  test("azure.storagequeues: After a gap", async () => {
    const queue = await makeQueue(server);
    await queue.sendMessage("expired", { messageTimeToLive: 1 });
    await queue.sendMessage("kept");
    await vi.waitFor(async () => {
      const { peekedMessageItems } = await queue.peekMessages({ numberOfMessages: 2 });
      expect(peekedMessageItems).toHaveLength(1);
    }, soon);
    const { app, status } = await begin(queue.properties);
    await vi.waitFor(() => expect(status().handled).toBe(1), soon);
    expect(app.texts).toEqual(["kept"]);
  });

  test("azure.storagequeues: Grows", async () => {
    const queue = await makeQueue(server);
    const { app, status } = await begin(queue.properties);
    await vi.waitFor(() => expect(status().state).toBe("running"), soon);
    await queue.sendMessage("1");
    await vi.waitFor(() => expect(app.texts).toEqual(["1"]), soon);
  });

  test("azure.storagequeues: Shrinks", async () => {
    const queue = await makeQueue(server);
    await queue.sendMessage("cleared");
    await queue.clearMessages();
    await queue.sendMessage("1");
    const { app, status } = await begin(queue.properties);
    await vi.waitFor(() => expect(status().handled).toBe(1), soon);
    expect(app.texts).toEqual(["1"]);
  });

  test("azure.storagequeues: Made anew", async () => {
    const queue = await makeQueue(server);
    const { app, status } = await begin(queue.properties);
    await vi.waitFor(() => expect(status().state).toBe("running"), soon);
    await queue.delete();
    // Sent once the component has made it again.
    await vi.waitFor(() => queue.sendMessage("1"), soon);
    await vi.waitFor(() => expect(app.texts).toEqual(["1"]), soon);
  });
});
