import { expect, onTestFinished, test, vi } from "vitest";
import gcpBucket from "../../../../src/bindings/gcp/gcp.bucket/index.ts";
import { newObject } from "../../../../src/bindings/gcp/gcp.bucket/notification-message.ts";
import { withClouds } from "../../../clouds.ts";
import { describeWith } from "../../../servers/describe-with.ts";
import { startLoopback } from "../../http/loopback-server.ts";
import { read, testSource } from "../../contract.ts";
import { openInput } from "../../opened-input.ts";
import { makeNotified, notification, notificationSource } from "./notification-source.ts";
import { remove } from "./make-bucket.ts";

const soon = { timeout: 20_000, interval: 5 };

const resource = {
  ...{ name: "a b+ü/c.txt", bucket: "shop", generation: "17", etag: "e1", size: "3" },
  ...{ contentType: "text/plain", timeCreated: "2026-11-30T06:00:00.000Z" },
};
const reference = {
  ...{ bucket: "shop", key: "a b+ü/c.txt", version: "17", etag: "e1", size: 3 },
  ...{ time: "2026-11-30T06:00:00.000Z", contentType: "text/plain" },
};

type Given = Readonly<Record<string, string>>;

function messageOf(more: Given, data?: string) {
  const sent = notification("shop", resource, more);
  return {
    data: Buffer.from(data ?? sent.data),
    attributes: Object.entries(sent.attributes).filter(([, value]) => value !== ""),
  };
}

test.each([
  ["of a new object", {}, reference],
  [
    "without a payload",
    { payloadFormat: "NONE" },
    {
      ...{ bucket: "shop", key: "a b+ü/c.txt", version: "17" },
      time: "2026-11-30T06:00:00.000000Z",
    },
  ],
  ["of an object that took another's place", { overwroteGeneration: "16" }, reference],
  ["of a deletion", { eventType: "OBJECT_DELETE" }, undefined],
  ["of changed metadata", { eventType: "OBJECT_METADATA_UPDATE" }, undefined],
] as const)("a notification %s", (_what, more: Given, expected) => {
  expect(newObject(messageOf(more))).toEqual(expected);
});

test.each([
  ["without a type", { eventType: "" }, undefined, "no attribute eventType"],
  ["without a bucket", { bucketId: "" }, undefined, "no attribute bucketId"],
  ["without a key", { objectId: "" }, undefined, "no attribute objectId"],
  ["of no generation", { objectGeneration: "1&a=b" }, undefined, "objectGeneration is no number"],
  ["with a payload that is no JSON", {}, "hello", "its payload is no JSON"],
  ["with a payload that is no object", {}, "7", "its payload is no object"],
  ["with a payload without size", {}, "{}", "its payload has no size"],
] as const)("a message that is none: %s", (_what, more: Given, data, why) => {
  expect(() => newObject(messageOf(more, data))).toThrow(why);
});

test("an input needs one of onHandled and notificationSubscription, and takes no more", async () => {
  const place = { bucket: "shop", projectID: "shop", endpoint: "http://127.0.0.1:1" };
  await expect(openInput(gcpBucket, place)).rejects.toThrow(
    "one of onHandled and notificationSubscription",
  );
  const notified = { ...place, notificationSubscription: "uploads" };
  await expect(openInput(gcpBucket, { ...notified, onHandled: "delete" })).rejects.toThrow(
    "exclude each other",
  );
  const short = { ...notified, ackDeadline: "1s" };
  await expect(openInput(gcpBucket, short)).rejects.toThrow("ackDeadline");
  const other = { ...place, notificationSubscription: "projects/../subscriptions/a" };
  await expect(openInput(gcpBucket, other)).rejects.toThrow("no id of a project");
});

describeWith(["fake-gcs", "pstest"], (servers) => {
  testSource("gcp.bucket, by notifications", notificationSource(servers));

  test("large objects come as references; what is gone or elsewhere is dropped", async () => {
    const { properties, put, tell, bucket } = await makeNotified(servers);
    const gone = await put("in/gone", "x");
    await remove(servers["fake-gcs"].url, bucket, "in/gone");
    await tell(gone);
    await tell(gone, { payloadFormat: "NONE" });
    await tell(await put("out/other", "x"));
    await tell(await put("in/kept", "x"), { eventType: "OBJECT_ARCHIVE" });
    await tell(await put("in/large", "123456"));
    await tell(await put("in/other", "654321"), { payloadFormat: "NONE" });
    const limits = { inlineLimit: "5", prefix: "in/" };
    const input = await openInput(gcpBucket, { ...properties, ...limits });
    const found = [await input.next(), await input.next()];
    expect(
      found.map(({ data }) => JSON.parse(Buffer.from(data ?? []).toString()) as unknown),
    ).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ bucket, key: "in/large", size: 6 }),
        expect.objectContaining({ bucket, key: "in/other", size: 6 }),
      ]),
    );
    for (const event of found) event.settle({ outcome: "handled" });
    await input.close();
    // All was acknowledged: nothing comes again.
    const again = await openInput(gcpBucket, { ...properties, ...limits });
    await tell(await put("in/last", "x"));
    expect((await again.next()).metadata["key"]).toBe("in/last");
  });

  test("with inlineLimit 0 the store is not asked", async () => {
    const { properties, put, tell } = await makeNotified(servers);
    const key = "in/a";
    await tell(await put(key, "x"), { payloadFormat: "NONE" });
    const nowhere = await startLoopback((_request, response) => void response.writeHead(403).end());
    onTestFinished(() => nowhere[Symbol.asyncDispose]());
    const more = { inlineLimit: "0", endpoint: nowhere.url };
    const { app } = await read({ binding: gcpBucket }, { properties }, undefined, more);
    await vi.waitFor(() => expect(app.texts).toHaveLength(1), soon);
    expect(JSON.parse(app.texts[0] ?? "")).toMatchObject({ key });
  });

  test("what is no notification is told once, and neither acknowledged nor given back", async () => {
    const { properties, put, tell, publish } = await makeNotified(servers);
    await publish({ data: "hello" });
    await publish({ ...notification("elsewhere", await put("a", "1")) });
    const input = await openInput(gcpBucket, properties);
    await tell(await put("b", "1"));
    expect((await input.next()).metadata["key"]).toBe("b");
    await vi.waitFor(() => expect(input.logger.debug).toHaveBeenCalledOnce(), soon);
    expect(input.logger.warn).toHaveBeenCalledOnce();
    expect(input.events).toHaveLength(1);
  });

  const failing = async (
    properties: Record<string, string>,
    statuses: { [key: string]: number },
  ) => {
    const store = await startLoopback(({ url = "" }, response) => {
      const key = Object.keys(statuses).find((one) => url.includes(`/o/${one}?`));
      response.writeHead(statuses[key ?? ""] ?? 200).end();
    });
    onTestFinished(() => store[Symbol.asyncDispose]());
    return { ...properties, endpoint: store.url };
  };

  test("a store that fails for a time is told of; one that refuses ends the reading", async () => {
    const { properties, put, tell } = await makeNotified(servers);
    const input = await openInput(gcpBucket, await failing(properties, { a: 503, b: 403 }));
    await tell(await put("a", "1"));
    await vi.waitFor(() => expect(input.logger.warn).toHaveBeenCalledOnce(), soon);
    await tell(await put("b", "1"));
    await expect(input.lost).resolves.toMatchObject({ reason: "permission_denied" });
    expect(input.events).toHaveLength(0);
  });

  if (!withClouds) return;
  test("what a failing store could not answer comes again", async () => {
    const { properties, put, tell } = await makeNotified(servers);
    const input = await openInput(gcpBucket, await failing(properties, { a: 503 }));
    await tell(await put("a", "1"));
    await vi.waitFor(() => expect(input.logger.warn).toHaveBeenCalledOnce(), soon);
    await input.close();
    const again = await openInput(gcpBucket, properties);
    expect((await again.next()).metadata["key"]).toBe("a");
  });
});

const name = "least-privilege";
const asked = ["POST /storage/v1/b", "POST /upload", `GET /storage/v1/b/${name}/o/`];
const able = ["StreamingPull", "Acknowledge", "ModifyAckDeadline"];
const peers = ["CreateTopic", "CreateSubscription", "Publish"];
describeWith("fake-gcs", { own: true, only: asked }, (store) => {
  describeWith("pstest", { own: true, only: [...able, ...peers] }, (pstest) => {
    test("needs no permission beyond those to read the subscription and the object", async () => {
      const place = await makeNotified({ "fake-gcs": store, pstest }, name);
      await place.tell(await place.put("a", "1"));
      const input = await openInput(gcpBucket, place.properties);
      const event = await input.next();
      await event.lease?.extend?.();
      event.settle({ outcome: "handled" });
      await expect(input.reader.flush()).resolves.toBeUndefined();
      await expect(
        gcpBucket.ping?.(input.connection as never, AbortSignal.timeout(5_000)),
      ).resolves.toBeUndefined();
    });
  });
});
