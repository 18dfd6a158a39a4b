import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import obs from "../../../src/bindings/huawei.obs/index.ts";
import { accessKeyId, bucket, obs as vendor, secret } from "../object-service/stand-in.ts";
import { serveObjects } from "../object-service/serve.ts";
import { textOf } from "../opened-output.ts";

const serve = (properties: Record<string, string> = {}) =>
  serveObjects(vendor, obs, { accessKey: accessKeyId, secretKey: secret, ...properties });

const stored = '{"statusCode":200,"versionId":"G001"}';

describe("create", () => {
  test.each(["orders/1.json", "ä ö/?#%+&'()*!", "a//b"])("%s", async (key) => {
    const { server, output } = await serve();
    expect(textOf(await output.invoke("create", { key }, { data: "content" }))).toBe(stored);
    expect([...server.objects]).toEqual([[key, Buffer.from("content")]]);
  });

  test("takes the quotes off a literal of Go, as Dapr does", async () => {
    const { server, output } = await serve();
    await output.invoke("create", { key: "k" }, { data: String.raw`"a\nb"` });
    expect(server.objects.get("k")?.toString()).toBe("a\nb");
  });

  test("without a key it is a random UUID; without data the object is empty", async () => {
    const { server, output } = await serve();
    await output.invoke("create");
    const [[key, content] = []] = [...server.objects];
    expect(key).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4/);
    expect(content).toHaveLength(0);
  });

  test("a payload in parts is sent as it comes", async () => {
    const { server, output } = await serve();
    async function* body() {
      yield Buffer.from("be");
      yield Buffer.from("gin");
    }
    await output.invokeStream("create", { key: "k" }, body());
    expect(server.objects.get("k")?.toString()).toBe("begin");
  });
});

describe("upload", () => {
  test("stores a file below localRoot", async () => {
    const localRoot = await mkdtemp(join(tmpdir(), "obs-"));
    onTestFinished(() => rm(localRoot, { recursive: true }));
    await writeFile(join(localRoot, "order.json"), "the order");
    const { server, output } = await serve({ localRoot });
    const upload = (sourceFile: string) =>
      output.invoke("upload", { key: "k" }, { data: JSON.stringify({ sourceFile }) });
    expect(textOf(await upload("order.json"))).toBe(stored);
    expect(server.objects.get("k")?.toString()).toBe("the order");
    await expect(upload("none.json")).rejects.toMatchObject({ reason: "not_found" });
    await expect(upload("../../../etc/passwd")).rejects.toMatchObject({ reason: "not_found" });
  });

  test.each([
    ['{"sourceFile":"/etc/passwd"}', "failed_precondition", "the component has no localRoot"],
    ["{}", "invalid_argument", "missing sourceFile"],
    ["no JSON", "invalid_argument", "missing sourceFile"],
  ])("%s without localRoot", async (data, reason, message) => {
    const { server, output } = await serve();
    await expect(output.invoke("upload", {}, { data })).rejects.toMatchObject({
      ...{ reason, message: expect.stringContaining(message) },
    });
    expect(server.received).toEqual([]);
  });
});

describe("get and delete", () => {
  test("an object", async () => {
    const { server, output } = await serve();
    server.objects.set("a/b", Buffer.from("content"));
    expect(textOf(await output.invoke("get", { key: "a/b" }))).toBe("content");
    const streamed = await output.invokeStream("get", { key: "a/b" }, (async function* () {})());
    const parts: Uint8Array[] = [];
    for await (const part of streamed?.body ?? []) parts.push(part);
    expect(Buffer.concat(parts).toString()).toBe("content");
    const answer = textOf(await output.invoke("delete", { key: "a/b" }));
    expect(answer).toBe('{"statusCode":204,"versionId":""}');
    expect(server.objects.size).toBe(0);
  });

  test("one that is not there", async () => {
    const { output } = await serve();
    const missing = { reason: "not_found", message: "object not found", systemCode: "NoSuchKey" };
    await expect(output.invoke("get", { key: "x" })).rejects.toMatchObject(missing);
    const stream = output.invokeStream("get", { key: "x" }, (async function* () {})());
    await expect(stream).rejects.toMatchObject(missing);
    expect(textOf(await output.invoke("delete", { key: "x" }))).toContain("204");
  });

  test.each(["get", "delete"])("%s without a key", async (operation) => {
    const { server, output } = await serve();
    await expect(output.invoke(operation, { key: "" })).rejects.toMatchObject({
      ...{ reason: "invalid_argument", message: "obs binding error: can't read key value" },
    });
    expect(server.received).toEqual([]);
  });
});

describe("list", () => {
  test("as Huawei's SDK holds it", async () => {
    const { server, output } = await serve();
    for (const key of ["a/1", "a/2", "b & c"]) server.objects.set(key, Buffer.from(key));
    const listed = JSON.parse(textOf(await output.invoke("list", {}, { data: "{}" })) ?? "") as {
      [name: string]: unknown;
      Contents: { Key: string; Size: number }[];
    };
    expect(listed).toMatchObject({
      ...{ StatusCode: 200, request_id: "request 1", Name: bucket, MaxKeys: 1000, Prefix: "" },
      ...{ IsTruncated: false, CommonPrefixes: null, Delimiter: "", Marker: "", NextMarker: "" },
    });
    expect(listed.Contents.map(({ Key, Size }) => [Key, Size])).toEqual([
      ["a/1", 3],
      ["a/2", 3],
      ["b & c", 5],
    ]);
    const [first] = listed.Contents;
    expect(first).toEqual({
      XMLName: { Space: "", Local: "Contents" },
      Owner: { XMLName: { Space: "", Local: "Owner" }, ID: "owner", DisplayName: "" },
      ETag: '"e"',
      Key: "a/1",
      LastModified: "2026-01-31T10:00:00.000Z",
      Size: 3,
      StorageClass: "STANDARD",
    });
  });

  test("with all that narrows it", async () => {
    const { server, output } = await serve();
    for (const key of ["a/1", "a/2", "a/b/3", "a/4"]) server.objects.set(key, Buffer.from(key));
    const data = JSON.stringify({ prefix: "a/", marker: "a/1", delimiter: "/", maxResults: 1 });
    const answer = textOf(await output.invoke("list", {}, { data })) ?? "";
    expect(JSON.parse(answer)).toMatchObject({
      ...{ IsTruncated: true, MaxKeys: 1, Prefix: "a/", Marker: "a/1" },
      ...{ Contents: [{ Key: "a/2" }], CommonPrefixes: ["a/b/"] },
    });
    expect(server.received[0]?.url).toBe(
      `/${bucket}/?delimiter=%2F&marker=a%2F1&max-keys=1&prefix=a%2F`,
    );
  });

  test("an empty bucket has no contents", async () => {
    const { output } = await serve();
    const answer = textOf(await output.invoke("list", {}, { data: "{}" })) ?? "";
    expect(JSON.parse(answer)).toMatchObject({ Contents: null });
  });

  test.each(["no JSON", "[]", '{"prefix":1}', '{"maxResults":"1"}', '{"maxResults":1.5}'])(
    "%s is refused",
    async (data) => {
      const { server, output } = await serve();
      const call = output.invoke("list", {}, { data });
      await expect(call).rejects.toMatchObject({ reason: "invalid_argument", effect: "rejected" });
      expect(server.received).toEqual([]);
    },
  );
});

test.each([
  ["create", "putobject", 403, "AccessDenied", "permission_denied", "rejected"],
  ["create", "putobject", 404, "NoSuchBucket", "not_found", "rejected"],
  ["get", "error getting obs object", 404, "NoSuchBucket", "not_found", "rejected"],
  ["delete", "error deleting obs object", 500, "InternalError", "internal", "ambiguous"],
  ["list", "error listing obs objects", 503, "ServiceUnavailable", "unavailable", "ambiguous"],
])("%s: %s %s %s", async (operation, what, status, code, reason, effect) => {
  const { server, output } = await serve();
  server.state.failure = { status, code };
  await expect(output.invoke(operation, { key: "k" }, { data: "{}" })).rejects.toMatchObject({
    ...{ reason, effect, systemCode: code },
    message: expect.stringMatching(
      new RegExp(
        `^obs binding error. ${what}: obs: service returned error: Status=${status}.*, Code=${code}, Message=words of the vendor, RequestId=request 1$`,
      ),
    ),
  });
});

test.each([".", "..", "a/../b", "../x", "k".repeat(1024), "\ud800"])(
  "the key %.10j is refused",
  async (key) => {
    const { server, output } = await serve();
    await expect(output.invoke("create", { key }, { data: "x" })).rejects.toMatchObject({
      ...{ reason: "invalid_argument", effect: "rejected" },
    });
    expect(server.received).toEqual([]);
  },
);

test("a service that is away: unsent", async () => {
  const { server, output } = await serve();
  await server[Symbol.asyncDispose]();
  await expect(output.invoke("get", { key: "k" })).rejects.toMatchObject({
    ...{ reason: "unavailable", effect: "unsent" },
  });
});
