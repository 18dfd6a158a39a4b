import { text } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import oss from "../../../../src/bindings/alicloud/alicloud.oss/index.ts";
import { signatureOf } from "../../../../src/http-client/object-service.ts";
import {
  accessKeyId,
  bucket,
  oss as vendor,
  secret,
  startObjects,
} from "../../object-service/stand-in.ts";
import { serveObjects } from "../../object-service/serve.ts";
import { openOutput, textOf } from "../../opened-output.ts";

async function* nothing() {}

const serve = (properties: Record<string, string> = {}) =>
  serveObjects(vendor, oss, { accessKeyID: accessKeyId, accessKey: secret, ...properties });

test("the example of Alibaba's reference is signed as it says", () => {
  const parts = {
    method: "PUT",
    md5: "ODBGOERFMDMzQTczRUY3NUE3NzA5QzdFNUYzMDQxNEM=",
    contentType: "text/html",
    date: "Thu, 17 Nov 2005 18:49:58 GMT",
    headers: { "X-OSS-Meta-Author": "foo@bar.com", "X-OSS-Magic": "abracadabra" },
    resource: "/oss-example/nelson",
  };
  const signature = signatureOf(parts, "OtxrzxIsfpFjA7SwPzILwy8Bw21TLhquhboDYROV");
  expect(signature).toBe("26NBxoKdsyly4EDv6inkoDft/yA=");
});

test.each(["orders/1.json", "ä ö/?#%+&'()*!", "a//b", "../../x"])("create %s", async (key) => {
  const { server, output } = await serve();
  expect(await output.invoke("create", { key }, { data: "content" })).toBeUndefined();
  expect([...server.objects]).toEqual([[key, Buffer.from("content")]]);
});

test("without a key it is a random UUID; without data the object is empty", async () => {
  const { server, output } = await serve();
  await output.invoke("create", { key: "" });
  const [[key, content] = []] = [...server.objects];
  expect(key).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4/);
  expect(content).toHaveLength(0);
});

test("a payload in parts is sent as it comes", async () => {
  const { server, output } = await serve();
  async function* body() {
    yield Buffer.from("be");
    yield Buffer.from("gin and end");
  }
  await output.invokeStream("create", { key: "k" }, body());
  expect(server.objects.get("k")?.toString()).toBe("begin and end");
  expect(server.received[0]?.headers["transfer-encoding"]).toBe("chunked");
});

test("what breaks off in the middle is not stored, and the failure is that of the payload", async () => {
  const { server, output } = await serve();
  async function* body() {
    yield Buffer.alloc(100_000);
    throw new Error("the caller has gone");
  }
  const call = output.invokeStream("create", { key: "k" }, body());
  await expect(call).rejects.toThrow("the caller has gone");
  expect(server.objects.size).toBe(0);
});

test("get returns an object, whole and in parts", async () => {
  const { server, output } = await serve();
  server.objects.set("a b/1", Buffer.from("content"));
  expect(textOf(await output.invoke("get", { key: "a b/1" }))).toBe("content");
  const streamed = await output.invokeStream("get", { key: "a b/1" }, nothing());
  expect(await text(streamed?.body ?? nothing())).toBe("content");
});

test("get of an object that is not there", async () => {
  const { output } = await serve();
  const missing = { reason: "not_found", effect: "rejected", systemCode: "NoSuchKey" };
  await expect(output.invoke("get", { key: "x" })).rejects.toMatchObject(missing);
  const stream = output.invokeStream("get", { key: "x" }, nothing());
  await expect(stream).rejects.toMatchObject(missing);
});

test("get without a key", async () => {
  const { server, output } = await serve();
  await expect(output.invoke("get", { key: "" })).rejects.toMatchObject({
    ...{ reason: "invalid_argument", message: "key is required: name the object to read" },
  });
  expect(server.received).toEqual([]);
});

test.each([
  [403, "AccessDenied", "permission_denied", "rejected"],
  [404, "NoSuchBucket", "not_found", "rejected"],
  [409, "FileImmutable", "aborted", "rejected"],
  [500, "InternalError", "internal", "ambiguous"],
  [503, "ServiceUnavailable", "unavailable", "ambiguous"],
])("%s %s by the service", async (status, code, reason, effect) => {
  const { server, output } = await serve();
  server.state.failure = { status, code };
  await expect(output.invoke("create", { key: "k" }, { data: "x" })).rejects.toMatchObject({
    ...{ reason, effect, systemCode: code },
    message: `oss: service returned error: StatusCode=${status}, ErrorCode=${code}, ErrorMessage="words of the vendor", RequestId=request 1`,
  });
});

test("the secret is accessKeySecret, too, as in Dapr's list of fields", async () => {
  const server = await startObjects(vendor);
  onTestFinished(() => server[Symbol.asyncDispose]());
  const shared = { endpoint: server.url, accessKeyID: accessKeyId, bucket };
  await using output = await openOutput(oss, { ...shared, accessKeySecret: secret });
  await output.invoke("create", { key: "k" }, { data: "content" });
  expect([...server.objects.keys()]).toEqual(["k"]);
});

test("a wrong secret is the service's refusal", async () => {
  const { output } = await serve({ accessKey: "other" });
  await expect(output.invoke("create", {}, { data: "x" })).rejects.toMatchObject({
    ...{ reason: "permission_denied", systemCode: "SignatureDoesNotMatch" },
  });
});

test("a service that is away: unsent", async () => {
  const { server, output } = await serve();
  await server[Symbol.asyncDispose]();
  await expect(output.invoke("create", {}, { data: "x" })).rejects.toMatchObject({
    ...{ reason: "unavailable", effect: "unsent" },
  });
});

test.each([".", "..", "k".repeat(1024), "\ud800"])("the key %.10j is refused", async (key) => {
  const { server, output } = await serve();
  await expect(output.invoke("create", { key }, { data: "x" })).rejects.toMatchObject({
    ...{ reason: "invalid_argument", effect: "rejected" },
  });
  expect(server.received).toEqual([]);
});

test.each([
  [{ endpoint: "ftp://host" }, "endpoint must be SCHEME://HOST:PORT alone"],
  [{ endpoint: "http://host/path" }, "endpoint must be SCHEME://HOST:PORT alone"],
  [{ bucket: "a/b" }, "bucket must be"],
  [{ bucket: "Shop" }, "bucket must be"],
])("the metadata %j are refused", async (properties, message) => {
  const shared = { endpoint: "http://127.0.0.1:1", accessKeyID: "a", accessKey: "b", bucket };
  const opening = openOutput(oss, { ...shared, ...(properties as Record<string, string>) });
  await expect(opening).rejects.toMatchObject({
    ...{ reason: "invalid_argument", message: expect.stringContaining(message) },
  });
});
