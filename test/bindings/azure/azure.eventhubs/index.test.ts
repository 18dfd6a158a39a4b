import { expect, test, vi } from "vitest";
import eventhubs from "../../../../src/bindings/azure/azure.eventhubs/index.ts";
import { claimsOf } from "../../../../src/bindings/azure/azure.eventhubs/balance.ts";
import { HandledPrefix } from "../../../../src/bindings/azure/azure.eventhubs/handled-prefix.ts";
import { CheckpointStore } from "../../../../src/bindings/azure/azure.eventhubs/checkpoint-store.ts";
import { readSharedKey } from "../../../../src/bindings/azure/shared-key.ts";
import { StorageClient } from "../../../../src/bindings/azure/storage-client.ts";
import { MemoryBudget } from "../../../../src/memory/budget.ts";
import { azuriteAccount } from "../../../servers/azurite.ts";
import { describeWith } from "../../../servers/describe-with.ts";
import { uniqueName } from "../../../servers/unique-name.ts";
import { endAfterTest } from "../../contract.ts";
import { openOutput } from "../../opened-output.ts";
import { handled, openQueue, textOf, until } from "../../opened-queue.ts";
import { startNamespace } from "../namespace.ts";
import { bytes, hubProperties } from "./contract-source.ts";

const directions = { input: true, output: false };
const long = { timeout: 20_000, interval: 10 };

test("partitions are shared so that each reader has as many as the others, or one more", () => {
  for (const readers of [1, 2, 3, 4, 5]) {
    const partitions = ["0", "1", "2", "3", "4", "5", "6"];
    const owners = new Map<string, string>();
    const names = Array.from({ length: readers }, (_, n) => `reader-${n}`);
    // One after another, as they are in life: each sees what the one before has claimed.
    for (let round = 0; round < 12; round++) {
      for (const me of names.slice(0, 1 + round)) {
        const owned = [...owners].map(([partition, owner]) => ({
          ...{ partition, owner, etag: "", age: 0 },
        }));
        for (const partition of claimsOf(partitions, owned, me, 60_000)) owners.set(partition, me);
      }
    }
    const counts = names.map((me) => [...owners.values()].filter((owner) => owner === me).length);
    expect(counts.reduce((one, other) => one + other)).toBe(7);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
  }
});

test("ownership that has expired, or was given up, is taken", () => {
  const owned = [
    { partition: "0", owner: "gone", etag: "a", age: 60_001 },
    { partition: "1", owner: "", etag: "b", age: 1 },
    { partition: "2", owner: "other", etag: "c", age: 1 },
  ];
  expect(claimsOf(["0", "1", "2"], owned, "me", 60_000).toSorted()).toEqual(["0", "1"]);
});

test("a checkpoint passes no event that was not handled", () => {
  const prefix = new HandledPrefix({ sequence: 4, offset: "400" });
  const settle = [5, 6, 7, 9].map((n) => prefix.deliver(n, String(n * 100)));
  settle[1]?.();
  settle[3]?.();
  expect(prefix.checkpoint).toMatchObject({ sequence: 4, offset: "400" });
  settle[0]?.();
  expect(prefix.checkpoint).toMatchObject({ sequence: 6, offset: "600" });
  settle[2]?.();
  expect(prefix.checkpoint).toEqual({ sequence: 9, offset: "900", ranges: "" });
});

async function sending() {
  const namespace = await startNamespace();
  const eventHub = uniqueName("hub-2");
  const { connectionString } = namespace;
  const output = await openOutput(eventhubs, {
    ...{ connectionString, eventHub, consumerGroup: "unused", storageContainerName: "unused" },
  });
  endAfterTest(async () => output[Symbol.asyncDispose]());
  return { namespace, hub: namespace.hub(eventHub), output };
}

test("an event is sent with its key, to its partition, with its properties", async () => {
  const { hub, output } = await sending();
  await output.invoke(
    "create",
    { partitionKey: "k", contentType: "text/x", "header:a": "b" },
    { data: "1" },
  );
  await output.invoke("create", { partitionId: "1" }, { data: "2" });
  const events = ["0", "1"].flatMap((id) => hub.eventsOf(id).map(({ message }) => message));
  expect(events).toHaveLength(2);
  expect(events.find((one) => one.content_type === "text/x")).toMatchObject({
    message_annotations: { "x-opt-partition-key": "k" },
    application_properties: { a: "b" },
  });
  expect(hub.eventsOf("1").map(({ message }) => message.message_annotations)).toContain(undefined);
  for (const metadata of [{ partitionKey: "a", partitionId: "1" }, { partitionId: "../x" }])
    await expect(output.invoke("create", metadata)).rejects.toMatchObject({
      reason: "invalid_argument",
    });
});

describeWith("azurite-blob", (storage) => {
  async function place(partitions = 2, more: Record<string, string> = {}) {
    const namespace = await startNamespace();
    const eventHub = uniqueName(`hub-${partitions}`);
    const hub = namespace.hub(eventHub);
    const put = (id: string, text: string): void => hub.put({ body: bytes(text) } as never, id);
    const properties = {
      ...hubProperties(namespace, storage, eventHub),
      ...{ loadBalancingInterval: "100ms", ...more },
    };
    const client = await StorageClient.open({
      url: `${storage.url}/${azuriteAccount.name}`,
      login: { sharedKey: readSharedKey(azuriteAccount.name, azuriteAccount.key) },
      memory: new MemoryBudget().share("test"),
      hide: undefined,
    });
    endAfterTest(() => client[Symbol.asyncDispose]());
    const group = { namespace: `127.0.0.1:${namespace.port}`, hub: eventHub, group: "$Default" };
    const store = new CheckpointStore(client, eventHub, group);
    const open = () => openQueue(eventhubs, properties, { directions });
    return { namespace, hub, put, store, open, client, eventHub, group };
  }
  const signal = () => AbortSignal.timeout(10_000);

  test("two readers share the partitions, and one that ends gives its own up at once", async () => {
    const { hub, put, store, open } = await place(4);
    const first = await (await open()).read(() => handled);
    await until(() => hub.ids.every((id) => hub.readers(id).length === 1));
    const second = await (await open()).read(() => handled);
    const counts = async (): Promise<number[]> => {
      const owners = (await store.ownerships(signal())).map(({ owner }) => owner);
      return [...new Set(owners)].map((one) => owners.filter((other) => other === one).length);
    };
    await vi.waitFor(async () => expect(await counts()).toEqual([2, 2]), long);
    await vi.waitFor(() => {
      for (const id of hub.ids) expect(hub.readers(id)).toHaveLength(1);
    }, long);
    for (const id of hub.ids) put(id, `a${id}`);
    await until(() => first.events.length + second.events.length >= 4);
    await first.reader.stop();
    await first.reader.flush();
    await first.reader.close();
    for (const id of hub.ids) put(id, `b${id}`);
    await until(() => second.events.filter((one) => textOf(one).startsWith("b")).length === 4);
  });

  test("the checkpoint is what Azure's libraries read, in the place where they look for it", async () => {
    const { put, open, client, eventHub, group } = await place(1);
    const { reader, events } = await (await open()).read(() => handled);
    put("0", "1");
    put("0", "2");
    await until(() => events.length === 2);
    await reader.flush();
    const name = `${group.namespace}/${group.hub}/$Default/checkpoint/0`;
    const path = [eventHub, name];
    const { headers } = await client.send("reading", { method: "HEAD", path }, signal());
    expect(headers).toMatchObject({
      "x-ms-meta-sequencenumber": "1",
      "x-ms-meta-offset": "104",
      "content-length": "0",
    });
  });

  test("a checkpoint of another library is where reading begins", async () => {
    const { put, open, client, store, eventHub, group } = await place(1);
    for (const text of ["1", "2", "3"]) put("0", text);
    await store.ensure(signal());
    const headers = {
      "x-ms-blob-type": "BlockBlob",
      "x-ms-meta-sequencenumber": "1",
      "x-ms-meta-offset": "104",
    };
    const path = [eventHub, `${group.namespace}/${group.hub}/$Default/checkpoint/0`];
    await client.send("writing", { method: "PUT", path, headers, body: Buffer.alloc(0) }, signal());
    const { events } = await (await open()).read(() => handled);
    await until(() => events.length === 1);
    expect(events.map(textOf)).toEqual(["3"]);
  });

  test("a reader that was robbed of a partition writes no checkpoint of it, and returns what waits", async () => {
    const { put, open, store } = await place(1, { ownershipExpiration: "1h" });
    const { events, reader } = await (await open()).read(() => "keep");
    put("0", "1");
    await until(() => events.length === 1);
    const [owned] = await store.ownerships(signal());
    // As another library would: the newest claim is good.
    let etag: string | undefined;
    await vi.waitFor(async () => {
      const [now] = await store.ownerships(signal());
      etag = await store.claim("0", "another", now?.etag ?? "", signal());
      expect(etag).toBeDefined();
    }, long);
    expect(owned?.owner).not.toBe("another");
    await vi.waitFor(() => expect(events[0]?.revoked?.aborted).toBe(true), long);
    events[0]?.settle(handled);
    await reader.flush();
    expect([...(await store.checkpoints(signal()))]).toEqual([]);
  });

  test("what comes after the first start at the latest is not missed, although nothing was handled", async () => {
    const { put, open } = await place(1, { startFrom: "latest" });
    put("0", "before");
    const first = await open();
    await first.read(() => "keep");
    await first.close();
    put("0", "after");
    const { events } = await (await open()).read(() => handled);
    await until(() => events.length === 1);
    expect(events.map(textOf)).toEqual(["after"]);
  });
});
