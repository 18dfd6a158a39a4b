import { expect, onTestFinished, test, vi } from "vitest";
import s3 from "../../../../src/bindings/aws/aws.s3/index.ts";
import { newObjects } from "../../../../src/bindings/aws/aws.s3/notification-message.ts";
import { parseFields } from "../../../../src/metadata/parse.ts";
import { describeWith } from "../../../servers/describe-with.ts";
import { read, testSource } from "../../contract.ts";
import { openInput } from "../../opened-input.ts";
import { makeNotified, notificationSource, record } from "./notification-source.ts";

const soon = { timeout: 20_000, interval: 5 };

const created = record("shop", "a b+ü/c.txt", { size: 3, eTag: "e1", versionId: "v1" });
const own = JSON.stringify({ Records: [created] });
const reference = {
  ...{ bucket: "shop", key: "a b+ü/c.txt", version: "v1", etag: '"e1"', size: 3 },
  time: "2026-11-30T06:00:00.000Z",
};
const eventBridge = (detailType: string): string =>
  JSON.stringify({
    ...{ version: "0", source: "aws.s3", "detail-type": detailType },
    time: "2026-11-30T06:00:00.000Z",
    detail: {
      bucket: { name: "shop" },
      object: { key: "a b+ü/c.txt", size: 3, etag: "e1", "version-id": "v1" },
    },
  });

test.each([
  ["S3's own, which SNS's raw delivery is too", own, [reference]],
  ["the envelope of SNS", JSON.stringify({ Type: "Notification", Message: own }), [reference]],
  ["EventBridge", eventBridge("Object Created"), [reference]],
  ["another event of EventBridge", eventBridge("Object Deleted"), []],
  [
    "other records",
    JSON.stringify({ Records: [created, record("shop", "b", {}, "ObjectRemoved:Delete")] }),
    [reference],
  ],
  [
    "the name of an event as MinIO writes it",
    JSON.stringify({ Records: [record("shop", "b", {}, "s3:ObjectCreated:Put")] }),
    [{ bucket: "shop", key: "b", time: reference.time }],
  ],
  ["the test", JSON.stringify({ Service: "Amazon S3", Event: "s3:TestEvent" }), []],
])("a message: %s", (_what, text, expected) => {
  expect(newObjects(text)).toEqual(expected);
});

test.each([
  ["no JSON", "hello", "it is not JSON"],
  ["no object", "[]", "it is not an object"],
  ["another object", "{}", "it has no Records"],
  ["a record without bucket", '{"Records":[{"eventName":"ObjectCreated:Put"}]}', "s3 is not"],
  [
    "a key that is not encoded",
    JSON.stringify({
      Records: [
        { eventName: "ObjectCreated:Put", s3: { bucket: { name: "b" }, object: { key: "%" } } },
      ],
    }),
    "not percent-encoded",
  ],
])("a message that is none: %s", (_what, text, why) => {
  expect(() => newObjects(text)).toThrow(why);
});

test("an input needs one of onHandled and notificationQueue, and takes no more", async () => {
  const place = { bucket: "shop", region: "eu-central-1", accessKey: "a", secretKey: "b" };
  await expect(openInput(s3, place)).rejects.toThrow("one of onHandled and notificationQueue");
  const both = { ...place, onHandled: "delete", notificationQueue: "shop" };
  await expect(openInput(s3, both)).rejects.toThrow("exclude each other");
  const url = { ...place, notificationQueue: "https://sqs/1/shop" };
  await expect(openInput(s3, url)).rejects.toThrow("notificationQueue");
});

test.each(["http://localhost:9000", "minio.shop.example"])(
  "with the S3 of %s its queue is not looked for in AWS: notificationEndpoint is asked for",
  async (endpoint) => {
    onTestFinished(() => void vi.unstubAllEnvs());
    vi.stubEnv("AWS_ENDPOINT_URL", "");
    vi.stubEnv("AWS_ENDPOINT_URL_SQS", "");
    const place = { bucket: "shop", region: "eu-central-1", accessKey: "a", secretKey: "b" };
    const properties = { ...place, endpoint, notificationQueue: "uploads" };
    await expect(openInput(s3, properties)).rejects.toMatchObject({
      reason: "invalid_argument",
      message: expect.stringMatching(/^notificationEndpoint is not set/) as string,
    });
    const { problems } = await checked(properties);
    expect(problems).toEqual([expect.stringMatching(/^notificationEndpoint is not set/)]);
    expect((await checked({ ...properties, direction: "output" })).problems).toEqual([]);
    const named = { ...properties, notificationEndpoint: "http://localhost:9324" };
    expect((await checked(named)).problems).toEqual([]);
    vi.stubEnv("AWS_ENDPOINT_URL_SQS", "http://localhost:9324");
    expect((await checked(properties)).problems).toEqual([]);
  },
);

test.each([
  "https://s3.eu-central-1.amazonaws.com",
  "bucket.vpce-1a2b-3c4d.s3.eu-central-1.vpce.amazonaws.com",
  "https://s3.dualstack.cn-north-1.amazonaws.com.cn",
])("%s is AWS's own, and so is its queue", async (endpoint) => {
  const place = { bucket: "shop", region: "eu-central-1", accessKey: "a", secretKey: "b" };
  expect((await checked({ ...place, endpoint, notificationQueue: "uploads" })).problems).toEqual(
    [],
  );
});

/** What `check` says of an input, or of an output. */
async function checked({ direction = "input", ...properties }: Record<string, string>) {
  const { values } = parseFields(s3.metadata, properties);
  const directions = { input: direction === "input", output: direction === "output" };
  return { problems: await s3.check?.(values, directions) };
}

describeWith("moto", (server) => {
  testSource("aws.s3, by notifications", notificationSource(server));

  test("several records are settled together, and one that is returned returns all", async () => {
    const { properties, store, tell, queue } = await makeNotified(server);
    await tell(await store("a", "1"), await store("b", "2"));
    const input = await openInput(s3, properties);
    const first = [await input.next(), await input.next()];
    expect(first.map(({ data }) => Buffer.from(data ?? []).toString())).toEqual(["1", "2"]);
    first[0]?.settle({ outcome: "handled" });
    await first[1]?.lease?.extend?.();
    first[1]?.settle({ outcome: "returned", reason: "later", after: 0 });
    const second = [await input.next(), await input.next()];
    expect(second.map(({ metadata }) => metadata["key"])).toEqual(["a", "b"]);
    for (const event of second) event.settle({ outcome: "handled" });
    await input.reader.flush();
    expect(await queue.counts()).toEqual({ waiting: 0, hidden: 0 });
  });

  test("large objects come as references; what is gone, replaced or elsewhere is dropped", async () => {
    const { properties, store, tell, bucket, queue } = await makeNotified(server);
    const gone = await store("in/gone", "x");
    await bucket.send("DELETE", "/in/gone");
    const replaced = await store("in/replaced", "old");
    await bucket.put("in/replaced", "new");
    await tell(gone);
    await queue.send(JSON.stringify({ Service: "Amazon S3", Event: "s3:TestEvent" }));
    await tell(replaced, await store("out/other", "x"), await store("in/large", "123456"));
    const { app } = await read({ binding: s3 }, { properties }, undefined, {
      ...{ inlineLimit: "5", prefix: "in/" },
    });
    await vi.waitFor(() => expect(app.texts).toHaveLength(1), soon);
    expect(JSON.parse(app.texts[0] ?? "")).toMatchObject({ key: "in/large", size: 6 });
    await vi.waitFor(
      async () => expect(await queue.counts()).toEqual({ waiting: 0, hidden: 0 }),
      soon,
    );
  });

  test("what is no notification is told once and left to the redrive policy", async () => {
    const { properties, store, tell, queue } = await makeNotified(server);
    await queue.send("hello");
    await tell(record("elsewhere", "a", { size: 1 }));
    const input = await openInput(s3, properties);
    await vi.waitFor(async () => expect(await queue.counts()).toEqual({ waiting: 0, hidden: 2 }));
    await tell(await store("a", "1"));
    (await input.next()).settle({ outcome: "handled" });
    await vi.waitFor(() => expect(input.logger.debug).toHaveBeenCalledOnce(), soon);
    expect(input.logger.warn).toHaveBeenCalledOnce();
    await input.close();
    expect(input.events).toHaveLength(1);
    expect(await queue.counts()).toEqual({ waiting: 0, hidden: 2 });
  });
});
