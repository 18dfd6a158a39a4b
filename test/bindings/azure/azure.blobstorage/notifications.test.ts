import { expect, test, vi } from "vitest";
import blobStorage from "../../../../src/bindings/azure/azure.blobstorage/index.ts";
import { newBlobs } from "../../../../src/bindings/azure/azure.blobstorage/notification-message.ts";
import { azuriteAccount } from "../../../servers/azurite.ts";
import { describeWith } from "../../../servers/describe-with.ts";
import { read, testSource } from "../../contract.ts";
import { openInput } from "../../opened-input.ts";
import { blobProperties } from "../blob-container.ts";
import { fakeStorage, messages, refusal } from "../fake-storage.ts";
import {
  cloudEvent,
  inBase64,
  makeNotified,
  notificationSource,
  ownEvent,
} from "./notification-source.ts";

const soon = { timeout: 20_000, interval: 5 };

const key = "a b+ü%/c.txt";
const told = { container: "shop", key, data: { eTag: "0x8D4BCC2E4835CD0", contentLength: 3 } };
const reference = {
  ...{ bucket: "shop", key, etag: '"0x8D4BCC2E4835CD0"', size: 3 },
  ...{ contentType: "application/octet-stream", time: "2026-11-30T06:00:00.9584103Z" },
  isArchived: false,
};
const withUrl = (url: string | undefined): string =>
  JSON.stringify(ownEvent({ ...told, data: { ...told.data, url } }));

test.each([
  ["Event Grid's own schema, in base64", inBase64(ownEvent(told)), [reference]],
  ["Event Grid's own schema, plain", JSON.stringify(ownEvent(told)), [reference]],
  ["CloudEvents 1.0", inBase64(cloudEvent(told)), [reference]],
  ["several", inBase64([ownEvent(told), cloudEvent(told)]), [reference, reference]],
  [
    "an ETag in quotes",
    inBase64(ownEvent({ ...told, data: { ...told.data, eTag: '"0x8D4BCC2E4835CD0"' } })),
    [reference],
  ],
  [
    "a private cloud",
    withUrl(`http://127.0.0.1:10000/account/shop/${encodeURIComponent(key)}`),
    [reference],
  ],
  ["a URL that is not encoded", withUrl(`https://shop/shop/${key}`), [reference]],
  ["no URL", withUrl(undefined), [reference]],
  [
    "a folder that is called as its container",
    inBase64(ownEvent({ ...told, key: `shop/${key}` })),
    [{ ...reference, key: `shop/${key}` }],
  ],
  [
    "an account that is called as its container",
    withUrl(`http://127.0.0.1:10000/shop/shop/${encodeURIComponent(key)}`),
    [reference],
  ],
  [
    "an archived blob",
    inBase64(ownEvent({ ...told, data: { ...told.data, accessTier: "Archive" } })),
    [{ ...reference, isArchived: true }],
  ],
  ["another event", inBase64(ownEvent({ ...told, type: "Microsoft.Storage.BlobDeleted" })), []],
  ["a file that is begun", inBase64(cloudEvent({ ...told, data: { api: "CreateFile" } })), []],
])("a message: %s", (_what, text, expected) => {
  expect(newBlobs(text)).toEqual(expected);
});

test.each([
  ["no JSON", "hello", "it is not JSON"],
  ["no object", "[1]", "it is not an object"],
  ["another object", "{}", "it has no eventType"],
  ["an event without data", '{"specversion":"1.0","type":"Microsoft.Storage.BlobCreated"}', "data"],
  [
    "another subject",
    JSON.stringify({ ...cloudEvent(told), subject: "/blobServices/default/containers/shop" }),
    "names no blob",
  ],
])("a message that is none: %s", (_what, text, why) => {
  expect(() => newBlobs(text)).toThrow(why);
});

test("an input needs one of onHandled and notificationQueue, and takes no more", async () => {
  const place = blobProperties({ url: "http://127.0.0.1:9" }, "shop");
  await expect(openInput(blobStorage, place)).rejects.toThrow("one of onHandled and");
  const both = { ...place, onHandled: "delete", notificationQueue: "shop" };
  await expect(openInput(blobStorage, both)).rejects.toThrow("exclude each other");
  const path = { ...place, notificationQueue: "../shop" };
  await expect(openInput(blobStorage, path)).rejects.toThrow("notificationQueue");
  const bad = { ...place, notificationQueue: "shop", notificationConnectionString: "x=y" };
  await expect(openInput(blobStorage, bad)).rejects.toThrow("notificationConnectionString has");
});

test("a container that cannot be read pauses, and its message comes again", async () => {
  let asked = 0;
  const event = inBase64(ownEvent({ container: "shop", key: "a", data: { contentLength: 1 } }));
  const paths: string[] = [];
  const server = await fakeStorage((method, path) => {
    paths.push(`${method} ${path.replace(/[?].*/, "")}`);
    if (method === "GET" && path.startsWith("/shop/a"))
      return { status: 503, body: refusal("ServerBusy") };
    if (method === "GET" && path.startsWith("/new/messages"))
      return { status: 200, body: asked++ === 0 ? messages({ id: "1", text: event }) : messages() };
    return { status: method === "PUT" ? 204 : 200, headers: { "x-ms-popreceipt": "next" } };
  });
  const { status } = await read(
    { binding: blobStorage },
    {
      properties: {
        ...blobProperties(server, "shop"),
        ...{ direction: "input", notificationQueue: "new", notificationEndpoint: server.url },
        disableEntityManagement: "true",
      },
    },
  );
  await vi.waitFor(() => expect(status()).toMatchObject({ state: "stalled" }), soon);
  expect(status().reason).toContain("ServerBusy");
  await vi.waitFor(() => expect(paths).toContain("PUT /new/messages/1"), soon);
  expect(paths.filter((path) => path.startsWith("PUT"))).toEqual(["PUT /new/messages/1"]);
});

test("a queue that may only be read opens, and nothing is made", async () => {
  const asked: string[] = [];
  const server = await fakeStorage((method, path) => {
    asked.push(`${method} ${path}`);
    return path.startsWith("/new/messages")
      ? { status: 200, body: messages() }
      : { status: 403, body: refusal("AuthorizationPermissionMismatch") };
  });
  await openInput(blobStorage, {
    ...blobProperties(server, "shop"),
    ...{ notificationQueue: "new", notificationEndpoint: server.url },
    disableEntityManagement: "true",
  });
  await vi.waitFor(() => expect(asked.length).toBeGreaterThan(1), soon);
  expect(asked.filter((one) => !one.startsWith("GET /new"))).toEqual([]);
});

describeWith(["azurite-blob", "azurite-queue"], (servers) => {
  const { "azurite-blob": blobs, "azurite-queue": queues } = servers;
  testSource("azure.blobstorage, by notifications", notificationSource(blobs, queues));

  test("several records are settled together, and one that is returned returns all", async () => {
    const { properties, store, tell, count } = await makeNotified(blobs, queues);
    await tell(inBase64([ownEvent(await store("a", "1")), cloudEvent(await store("b", "2"))]));
    const input = await openInput(blobStorage, properties);
    const first = [await input.next(), await input.next()];
    expect(first.map(({ data }) => Buffer.from(data ?? []).toString())).toEqual(["1", "2"]);
    first[0]?.settle({ outcome: "handled" });
    await first[1]?.lease?.extend?.();
    first[1]?.settle({ outcome: "returned", reason: "later", after: 0 });
    const second = [await input.next(), await input.next()];
    expect(second.map(({ metadata }) => metadata["key"])).toEqual(["a", "b"]);
    for (const event of second) event.settle({ outcome: "handled" });
    await input.reader.flush();
    expect(await count()).toBe(0);
  });

  test("large blobs come as references; what is gone, replaced or elsewhere is dropped", async () => {
    const { properties, store, tell, container, count } = await makeNotified(blobs, queues);
    const gone = await store("in/gone", "x");
    await container.deleteBlob("in/gone");
    const replaced = await store("in/replaced", "old");
    await store("in/replaced", "new");
    for (const one of [gone, replaced, await store("out/other", "x")])
      await tell(inBase64(ownEvent(one)));
    await tell(inBase64(cloudEvent(await store("in/large", "123456"))));
    const { app } = await read({ binding: blobStorage }, { properties }, undefined, {
      ...{ inlineLimit: "5", prefix: "in/" },
    });
    await vi.waitFor(() => expect(app.texts).toHaveLength(1), soon);
    expect(JSON.parse(app.texts[0] ?? "")).toMatchObject({ key: "in/large", size: 6 });
    await vi.waitFor(async () => expect(await count()).toBe(0), soon);
  });

  test("what is no notification is told once, and stays in the queue", async () => {
    const { properties, store, tell, count } = await makeNotified(blobs, queues);
    await tell("hello");
    await tell(inBase64(ownEvent({ container: "elsewhere", key: "a" })));
    const input = await openInput(blobStorage, properties);
    await vi.waitFor(() => expect(input.logger.debug).toHaveBeenCalledOnce(), soon);
    expect(input.logger.warn).toHaveBeenCalledOnce();
    await tell(inBase64(ownEvent(await store("a", "1"))));
    (await input.next()).settle({ outcome: "handled" });
    await input.close();
    expect(input.events).toHaveLength(1);
    expect(await count()).toBe(2);
  });

  test("the queue may be one of a connection string of its own", async () => {
    const { properties, store, tell } = await makeNotified(blobs, queues);
    await tell(inBase64(ownEvent(await store("a", "1"))));
    const { name, key: secret } = azuriteAccount;
    const { notificationEndpoint: _, ...rest } = properties;
    const input = await openInput(blobStorage, {
      ...rest,
      notificationConnectionString: `AccountName=${name};AccountKey=${secret};QueueEndpoint=${queues.url}/${name}`,
    });
    expect((await input.next()).metadata["key"]).toBe("a");
  });
});
