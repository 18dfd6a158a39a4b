import { createHash } from "node:crypto";
import { describe, expect, onTestFinished, test } from "vitest";
import sls from "../../../../src/bindings/alicloud/alicloud.sls/index.ts";
import { signatureOf } from "../../../../src/bindings/alicloud/alicloud.sls/log-service.ts";
import { unpackLz4 } from "../../../../src/bindings/alicloud/alicloud.sls/lz4.ts";
import { listOf, writeGroup } from "../../../servers/sls/log-group.ts";
import { packLz4 } from "../../../servers/sls/lz4.ts";
import { openOutput } from "../../opened-output.ts";
import { startLogService } from "./start.ts";

const place = { topic: "checkout", source: "10.0.0.1" };

async function serve(properties: Record<string, string> = {}) {
  const started = await startLogService();
  const output = await openOutput(sls, { ...started.output, ...properties });
  onTestFinished(() => output[Symbol.asyncDispose]());
  return { ...started, output };
}

test("the examples of Alibaba's reference are signed as it says", () => {
  const shared = {
    "x-log-apiversion": "0.6.0",
    "x-log-signaturemethod": "hmac-sha1",
    date: "Mon, 3 Jan 2010 08:33:47 GMT",
  };
  const read = { ...shared, "x-log-bodyrawsize": "0" };
  expect(
    signatureOf({ method: "GET", path: "/logstores", headers: read }, "mockAccessKeySecret"),
  ).toBe("Rwm6cTKzoti4HWoe+GKcb6Kv07E=");
  const contents = [["TestKey", Buffer.from("TestContent")]] as const;
  const logs = [{ time: 1_405_409_656, contents }];
  const group = writeGroup({ logs, topic: "", source: "10.230.201.117", tags: [] });
  const md5 = createHash("md5")
    .update(listOf([group]))
    .digest("hex")
    .toUpperCase();
  const written = {
    ...shared,
    "x-log-bodyrawsize": "50",
    "content-md5": md5,
    "content-type": "application/x-protobuf",
  };
  expect(
    signatureOf(
      { method: "GET", path: "/logstores/app_log", headers: written },
      "mockAccessKeySecret",
    ),
  ).toBe("87xQWqFaOSewqRIma8kPjGYlXHc=");
});

describe("create", () => {
  test.each(["none", "deflate"])("writes a log, compression %s", async (compression) => {
    const { server, output } = await serve({ compression });
    const texts = { order: "42", "key with ä = & ?": "value\n\u0001 ü", empty: "" };
    expect(await output.invoke("create", place, { data: JSON.stringify(texts) })).toBeUndefined();
    expect(server.logs("orders")).toEqual([{ ...place, texts }]);
    expect(server.asked[0]?.host).toMatch(/^shop\.127\.0\.0\.1:/);
  });

  test("project and Logstore of the call come first; null is the empty text", async () => {
    const { server, output } = await serve({ project: "", logstore: "", ...place });
    server.create("others");
    await output.invoke("create", { project: "shop", logstore: "others" }, { data: '{"a":null}' });
    await output.invoke("create", { project: "shop", logstore: "others" }, { data: "null" });
    expect(server.logs("others")).toEqual([
      { ...place, texts: { a: "" } },
      { ...place, texts: {} },
    ]);
  });

  test.each(["project", "logstore", "topic", "source"])(
    "without %s it fails by Dapr's words",
    async (name) => {
      const all: Record<string, string> = { project: "shop", logstore: "orders", ...place };
      const { server, output } = await serve({ project: "", logstore: "" });
      await expect(
        output.invoke("create", { ...all, [name]: "" }, { data: "{}" }),
      ).rejects.toMatchObject({
        ...{ reason: "invalid_argument", effect: "rejected" },
        message: `SLS binding error: ${name} property not supplied`,
      });
      expect(server.asked).toEqual([]);
    },
  );

  test.each([undefined, "", "no JSON", "[]", '"x"', '{"a":1}', '{"a":{}}'])(
    "the data %j are refused",
    async (data) => {
      const { server, output } = await serve(place);
      await expect(
        output.invoke("create", {}, data === undefined ? {} : { data }),
      ).rejects.toMatchObject({ reason: "invalid_argument", effect: "rejected" });
      expect(server.asked).toEqual([]);
    },
  );

  test.each([
    [400, "PostBodyInvalid", "invalid_argument", "rejected"],
    [400, "RequestTimeExpired", "unauthenticated", "rejected"],
    [401, "Unauthorized", "unauthenticated", "rejected"],
    [403, "Unauthorized", "permission_denied", "rejected"],
    [403, "WriteQuotaExceed", "resource_exhausted", "unsent"],
    [403, "ShardWriteQuotaExceed", "resource_exhausted", "unsent"],
    [500, "InternalServerError", "internal", "ambiguous"],
    [503, "ServerBusy", "unavailable", "ambiguous"],
  ])("%s %s by the service", async (status, code, reason, effect) => {
    const { server, output } = await serve(place);
    server.failure = () => ({ status, code });
    await expect(output.invoke("create", {}, { data: "{}" })).rejects.toMatchObject({
      ...{ reason, effect, systemCode: code },
      message: `SLS binding error: ${status} ${code}: words of the vendor`,
    });
  });

  test("a wrong secret, and a Logstore or project that is not there", async () => {
    const { output } = await serve({ ...place, accessKeySecret: "other" });
    await expect(output.invoke("create", {}, { data: "{}" })).rejects.toMatchObject({
      ...{ reason: "unauthenticated", systemCode: "SignatureNotMatch" },
    });
    const { output: right } = await serve(place);
    await expect(
      right.invoke("create", { logstore: "none-such" }, { data: "{}" }),
    ).rejects.toMatchObject({ reason: "not_found", systemCode: "LogStoreNotExist" });
    await expect(
      right.invoke("create", { project: "none-such" }, { data: "{}" }),
    ).rejects.toMatchObject({ reason: "not_found", systemCode: "ProjectNotExist" });
  });

  test("a service that is away: unsent; a cut: ambiguous", async () => {
    const { server, output } = await serve(place);
    server.failure = () => "cut";
    await expect(output.invoke("create", {}, { data: "{}" })).rejects.toMatchObject({
      ...{ reason: "unavailable", effect: "ambiguous" },
    });
    await server[Symbol.asyncDispose]();
    await expect(output.invoke("create", {}, { data: "{}" })).rejects.toMatchObject({
      ...{ reason: "unavailable", effect: "unsent" },
    });
  });

  test("where nothing but writing is allowed it opens and writes", async () => {
    const started = await startLogService();
    started.server.failure = ({ method, url }) =>
      method === "POST" && url === "/logstores/orders/shards/lb"
        ? undefined
        : { status: 403, code: "Unauthorized" };
    await using output = await openOutput(sls, { ...started.output, ...place });
    await output.invoke("create", {}, { data: '{"a":"1"}' });
    expect(started.server.logs("orders")).toHaveLength(1);
    expect(started.server.asked).toHaveLength(1);
  });
});

test.each([
  [{ endpoint: "ftp://host" }, "endpoint must be SCHEME://HOST:PORT alone"],
  [{ endpoint: "http://host/path" }, "endpoint must be SCHEME://HOST:PORT alone"],
  [{ project: "a/b" }, "project must be"],
  [{ logstore: "../x" }, "logstore must be"],
])("the metadata %j are refused", async (properties, message) => {
  const shared = { endpoint: "http://127.0.0.1:1", accessKeyID: "a", accessKeySecret: "b" };
  const opening = openOutput(sls, { ...shared, ...(properties as Record<string, string>) });
  await expect(opening).rejects.toThrow(message);
});

test.each([
  ["https://cn-hangzhou.log.aliyuncs.com"],
  ["https://shop.cn-hangzhou.log.aliyuncs.com"],
])("an input needs project and logstore, whatever the endpoint %s", async (endpoint) => {
  const { values } = { values: { endpoint, accessKeyID: "a", accessKeySecret: "b" } };
  const found = await sls.check?.(values as never, { input: true, output: false });
  expect(found).toEqual(["an input requires project and logstore"]);
});

describe("LZ4", () => {
  const texts = [
    "short",
    "a".repeat(1000),
    "abcabcabcabcabcabcabcabcabc and more of it",
    Array.from({ length: 500 }, (_, n) => `{"order":${n},"state":"paid"}`).join("\n"),
    "no match here, 0123456789".repeat(3) + "z".repeat(300),
  ];

  test.each(texts)("what another has packed is unpacked: %.20s", (text) => {
    const bytes = Buffer.from(text);
    expect(Buffer.from(unpackLz4(packLz4(bytes), bytes.length)).equals(bytes)).toBe(true);
  });

  test("the example of the format: literals, and a copy that reaches into itself", () => {
    const block = Buffer.from([0x1f, 0x61, 0x01, 0x00, 0x4c, 0x50, 0x61, 0x61, 0x61, 0x61, 0x61]);
    expect(Buffer.from(unpackLz4(block, 101)).toString()).toBe("a".repeat(101));
  });

  test("no cut or changed block reads or writes beyond its end", () => {
    const block = packLz4(Buffer.from(texts[3] ?? ""));
    const size = Buffer.byteLength(texts[3] ?? "");
    for (let cut = 1; cut < block.length; cut += 7)
      expect(() => unpackLz4(block.subarray(0, cut), size)).toThrow("no block of LZ4");
    for (let at = 0; at < block.length; at += 5) {
      const changed = Buffer.from(block);
      changed[at] = 255 - (changed[at] ?? 0);
      try {
        expect(unpackLz4(changed, size)).toHaveLength(size);
      } catch (error) {
        expect(String(error)).toContain("no block of LZ4");
      }
    }
  });
});
