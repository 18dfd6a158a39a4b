import { afterAll, beforeAll, describe, expect, test } from "vitest";
import redisBinding from "../../../../src/bindings/redis/redis/index.ts";
import { parseFields } from "../../../../src/metadata/parse.ts";
import { describeWith, uniqueName } from "../../../servers/describe-with.ts";
import { startProxy } from "../../../servers/proxy.ts";
import { allBytes, openOutput, textOf } from "../../opened-output.ts";
import type { OpenedOutput } from "../../opened-output.ts";

describeWith("redis", (server) => {
  let redis: OpenedOutput;
  beforeAll(async () => {
    redis = await openOutput(redisBinding, { redisHost: `${server.host}:${server.port}` });
  });
  afterAll(() => redis[Symbol.asyncDispose]());

  test.each([
    ["every byte", allBytes],
    ["nothing", new Uint8Array()],
    ["1 MiB", new Uint8Array(2 ** 20).fill(255)],
  ])("create and get keep %s as it is", async (_title, data) => {
    const key = uniqueName("value");
    expect(await redis.invoke("create", { key }, { data })).toBeUndefined();
    const answer = await redis.invoke("get", { key });
    expect(Buffer.compare(answer?.data ?? Buffer.from("none"), data)).toBe(0);
  });

  test("create without data stores the empty value", async () => {
    const key = uniqueName("nothing");
    await redis.invoke("create", { key });
    await redis.invoke("increment", { key: `${key}-other` });
    expect(textOf(await redis.invoke("get", { key }))).toBe("");
  });

  test("get answers nothing for a key that is not there", async () => {
    const answer = await redis.invoke("get", { key: uniqueName("missing") });
    expect(answer).toEqual({ data: new Uint8Array() });
  });

  test("get deletes with delete: true, and with nothing else", async () => {
    const key = uniqueName("taken");
    await redis.invoke("create", { key }, { data: "once" });
    expect(textOf(await redis.invoke("get", { key, delete: "True" }))).toBe("once");
    expect(textOf(await redis.invoke("get", { key, delete: "true" }))).toBe("once");
    expect(textOf(await redis.invoke("get", { key }))).toBe("");
  });

  test("delete deletes, whether or not the key is there", async () => {
    const key = uniqueName("gone");
    await redis.invoke("create", { key }, { data: "x" });
    expect(await redis.invoke("delete", { key })).toBeUndefined();
    expect(await redis.invoke("delete", { key })).toBeUndefined();
    expect(textOf(await redis.invoke("get", { key }))).toBe("");
  });

  test("increment counts, loses nothing of many at once, and answers nothing", async () => {
    const key = uniqueName("count");
    const answers = await Promise.all(
      Array.from({ length: 200 }, () => redis.invoke("increment", { key })),
    );
    expect(new Set(answers)).toEqual(new Set([undefined]));
    expect(textOf(await redis.invoke("get", { key }))).toBe("200");
  });

  test.each(["increment", "increment with ttl"])("%s refuses what is no number", async (title) => {
    const key = uniqueName("text");
    await redis.invoke("create", { key }, { data: "abc" });
    const metadata = title === "increment" ? { key } : { key, ttl: "0" };
    await expect(redis.invoke("increment", metadata)).rejects.toMatchObject({
      message: "ERR value is not an integer or out of range",
      reason: "invalid_argument",
      effect: "rejected",
      systemCode: "ERR",
    });
    expect(textOf(await redis.invoke("get", { key }))).toBe("abc");
  });

  test.each(["create", "get", "delete", "increment"])("%s without a key", async (operation) => {
    for (const metadata of [{}, { key: "" }, { Key: "x" }]) {
      await expect(redis.invoke(operation, metadata)).rejects.toMatchObject({
        message: "redis binding: missing key in request metadata",
        reason: "invalid_argument",
        effect: "rejected",
      });
    }
  });

  test.each(["create", "increment"])("%s with a ttl of 0 leaves no key", async (operation) => {
    const key = uniqueName("passing");
    await redis.invoke(operation, { key, ttlInSeconds: "0" }, { data: "1" });
    expect(textOf(await redis.invoke("get", { key }))).toBe("");
  });

  test.each(["create", "increment"])("%s with a short ttl: the key goes", async (operation) => {
    const key = uniqueName("passing");
    await redis.invoke(operation, { key, TTL: "150ms" }, { data: "1" });
    expect(textOf(await redis.invoke("get", { key }))).toBe("1");
    await expect.poll(async () => textOf(await redis.invoke("get", { key }))).toBe("");
  });

  test("create without a ttl takes an old one away", async () => {
    const key = uniqueName("kept");
    await redis.invoke("create", { key, ttl: "200ms" }, { data: "old" });
    await redis.invoke("create", { key }, { data: "new" });
    const other = uniqueName("gone");
    await redis.invoke("create", { key: other, ttl: "250ms" }, { data: "old" });
    await expect.poll(async () => textOf(await redis.invoke("get", { key: other }))).toBe("");
    expect(textOf(await redis.invoke("get", { key }))).toBe("new");
  });

  test("create does not begin with a ttl that is wrong", async () => {
    const key = uniqueName("wrong");
    await expect(redis.invoke("create", { key, ttl: "-1" }, { data: "x" })).rejects.toMatchObject({
      message: "ttl value must be higher than zero: actual is '-1'",
    });
    expect(textOf(await redis.invoke("get", { key }))).toBe("");
  });

  test("ping", async () => {
    expect(await redis.ping()).toBeUndefined();
  });

  test("another database is another world", async () => {
    const key = uniqueName("apart");
    await using other = await openOutput(redisBinding, {
      redisHost: server.host,
      redisPort: String(server.port),
      redisDB: "7",
    });
    await other.invoke("create", { key }, { data: "there" });
    expect(textOf(await redis.invoke("get", { key }))).toBe("");
    expect(textOf(await other.invoke("get", { key, delete: "true" }))).toBe("there");
  });

  test("a broken connection: what is under way is ambiguous, the next unsent, and it is lost", async () => {
    await using proxy = await startProxy(server);
    await using cut = await openOutput(redisBinding, { redisHost: `${proxy.host}:${proxy.port}` });
    proxy.stall();
    const underWay = cut
      .invoke("increment", { key: uniqueName("cut") })
      .catch((error: unknown) => error);
    proxy.cut();
    expect(await underWay).toMatchObject({ reason: "unavailable", effect: "ambiguous" });
    expect(await cut.lost).toMatch(/the connection is gone/);
    await expect(cut.invoke("increment", { key: "x" })).rejects.toMatchObject({
      reason: "unavailable",
      effect: "unsent",
      message: expect.stringMatching(/not connected/),
    });
    await expect(cut.ping()).rejects.toThrow("not connected");
  });

  test("a silent server times out after readTimeout", async () => {
    await using proxy = await startProxy(server);
    await using silent = await openOutput(redisBinding, {
      redisHost: `${proxy.host}:${proxy.port}`,
      readTimeout: "200",
    });
    proxy.stall();
    await expect(silent.invoke("increment", { key: "x" })).rejects.toMatchObject({
      effect: "ambiguous",
      message: expect.stringMatching(/didn't receive any in 200ms/),
    });
    await silent.lost;
  });

  test("opening is bounded by its signal", async () => {
    await using proxy = await startProxy(server);
    proxy.stall();
    const opening = openOutput(
      redisBinding,
      { redisHost: `${proxy.host}:${proxy.port}`, readTimeout: "-1" },
      AbortSignal.timeout(100),
    );
    await expect(opening).rejects.toMatchObject({
      reason: "deadline_exceeded",
      message: expect.stringMatching(/no answer in time/),
    });
  });
});

describeWith("redis", { own: true, arguments: ["--requirepass", "opensesame"] }, (server) => {
  const place = (): Record<string, string> => ({ redisHost: `${server.host}:${server.port}` });

  test("logs in by password", async () => {
    await using redis = await openOutput(redisBinding, { ...place(), redisPassword: "opensesame" });
    expect(await redis.ping()).toBeUndefined();
  });

  test("logs in by user and password", async () => {
    await using admin = await openOutput(redisBinding, {
      ...place(),
      redisUsername: "default",
      redisPassword: "opensesame",
    });
    expect(await admin.ping()).toBeUndefined();
  });

  test.each([
    ["no password", {}, "NOAUTH"],
    ["a wrong password", { redisPassword: "hunter2hunter2" }, "WRONGPASS"],
  ])("%s: says so, and never the password", async (_title, login, code) => {
    const error: unknown = await openOutput(redisBinding, { ...place(), ...login }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({
      reason: "unauthenticated",
      effect: "unsent",
      systemCode: code,
      message: expect.stringContaining(
        `redis binding: error connecting to redis at ${server.host}:${server.port}: ${code}`,
      ),
    });
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain("hunter2");
  });

  test("a server that stops is lost; opening fails while it is down and works when it is back", async () => {
    const properties = { ...place(), redisPassword: "opensesame" };
    await using redis = await openOutput(redisBinding, properties);
    await redis.invoke("create", { key: "kept" }, { data: allBytes });
    await server.stop();
    await redis.lost;
    await expect(openOutput(redisBinding, properties)).rejects.toMatchObject({
      reason: "unavailable",
      effect: "unsent",
      message: expect.stringMatching(/error connecting to redis at .*ECONNREFUSED/),
    });
    await server.start();
    await using again = await openOutput(redisBinding, properties);
    expect((await again.invoke("get", { key: "kept" }))?.data).toEqual(Buffer.from(allBytes));
  });

  test("a server that became a replica refuses without effect, and is lost", async () => {
    const properties = { ...place(), redisPassword: "opensesame" };
    await using redis = await openOutput(redisBinding, properties);
    const { exchange } = await import("../../../servers/exchange.ts");
    const demoted = "AUTH opensesame\r\nREPLICAOF 127.0.0.1 1\r\n";
    await exchange(server, demoted, /OK\r\n.*OK\r\n$/s);
    await expect(redis.invoke("create", { key: "x" }, { data: "x" })).rejects.toMatchObject({
      reason: "unavailable",
      effect: "unsent",
      systemCode: "READONLY",
    });
    await redis.lost;
    await exchange(server, "AUTH opensesame\r\nREPLICAOF NO ONE\r\n", /OK\r\n.*OK\r\n$/s);
  });
});

describe("what is refused before anything is connected", () => {
  test.each([
    [{ redisHost: "a:1,b:2" }, "several hosts"],
    [{ redisHost: "a:1", redisPort: "2" }, "already contains port 1, but redisPort is set to 2"],
    [{ redisHost: "a", failover: "true" }, "failover needs sentinelMasterName"],
    [{ redisHost: "a", useOIDC: "true" }, "useOIDC needs oidcTokenEndpoint"],
    [{ redisHost: "," }, "names no host"],
  ])("%j", async (properties, message) => {
    await expect(openOutput(redisBinding, properties)).rejects.toThrow(message);
  });
});

describe("the retry policy", () => {
  test.each([
    [{}, { attempts: 4, initial: 8, max: 512 }],
    [{ redisMaxRetries: "-1" }, { attempts: 1 }],
    [{ redisMaxRetries: "0" }, { attempts: 4 }],
    [
      { redisMaxRetries: "9", redisMinRetryInterval: "20", redisMaxRetryInterval: "1s" },
      { attempts: 10, initial: 20, max: 1000 },
    ],
    [
      { redisMinRetryInterval: "-1", redisMaxRetryInterval: "-1" },
      { initial: 0, max: 0 },
    ],
  ])("of %j", (properties, policy) => {
    const { values } = parseFields(redisBinding.metadata, { redisHost: "a", ...properties });
    expect(redisBinding.retry?.outbound?.(values)).toMatchObject(policy);
  });
});
