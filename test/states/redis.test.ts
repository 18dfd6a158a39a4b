import { Redis } from "ioredis";
import { expect, onTestFinished, test } from "vitest";
import { bindings } from "../../src/bindings/index.ts";
import { stateStores } from "../../src/states/index.ts";
import { allBytes } from "../bindings/opened-output.ts";
import { FakeApp } from "../runtime/fake-app.ts";
import { component, FakeSystem, startRuntime } from "../runtime/fake-binding.ts";
import { sourceEvent } from "../runtime/source-event.ts";
import { describeWith, uniqueName } from "../servers/describe-with.ts";

describeWith("redis", (server) => {
  /** Answers one event with states for the store, and waits until it is handled. */
  async function save(
    states: { key: string; value: Uint8Array }[],
    values: Record<string, string> = {},
  ): Promise<{ redis: Redis; appId: string }> {
    const source = new FakeSystem();
    const appId = uniqueName("shop");
    const app = new FakeApp(() => ({
      kind: "handled",
      reply: { source: "grpc", storeName: "store", states },
    }));
    const { runtime } = startRuntime({
      appId,
      bindings: [...bindings, source.binding("source", "input")],
      stateStores,
      app,
    });
    await runtime.apply([
      component("source", { direction: "input", replyFanOut: "true" }),
      component("", values, {
        name: "store",
        type: "state.redis",
        resolve: async () => ({
          values: { redisHost: `${server.host}:${server.port}`, ...values },
          secrets: [],
        }),
      }),
    ]);
    await expect.poll(() => source.readings.length).toBe(1);
    const event = sourceEvent("1");
    await source.reading.deliver([event]);
    await expect.poll(() => event.settlements).toMatchObject([{ outcome: "handled" }]);
    const redis = new Redis(server.port, server.host);
    onTestFinished(() => redis.disconnect());
    return { redis, appId };
  }

  test("a state is a hash of its data and its version, as daprd's state API reads it", async () => {
    const { redis, appId } = await save([{ key: "a||b", value: allBytes }]);
    const key = `${appId}||a||b`;
    expect(await redis.type(key)).toBe("hash");
    expect((await redis.hkeys(key)).toSorted()).toEqual(["data", "version"]);
    expect(await redis.hgetBuffer(key, "data")).toEqual(Buffer.from(allBytes));
    expect(await redis.hget(key, "version")).toBe("1");
    expect(await redis.ttl(key)).toBe(-1);
  });

  test("saving again replaces the data and counts the version", async () => {
    const value = (text: string) => ({ key: "k", value: Buffer.from(text) });
    const { redis, appId } = await save([value("one"), value(""), value("three")]);
    expect(await redis.hgetall(`${appId}||k`)).toEqual({ data: "three", version: "3" });
  });

  test("what stands there and is no hash goes", async () => {
    const name = uniqueName("states");
    const redis = new Redis(server.port, server.host);
    await redis.set(`${name}||k`, "plain");
    redis.disconnect();
    const saved = await save([{ key: "k", value: Buffer.from("v") }], { keyPrefix: name });
    expect(await saved.redis.hgetall(`${name}||k`)).toEqual({ data: "v", version: "1" });
  });

  test.each([
    ["none", ""],
    ["name", "store||"],
    ["AppId", undefined],
  ])("keyPrefix %s", async (keyPrefix, prefix) => {
    const key = uniqueName("key");
    const { redis, appId } = await save([{ key, value: Buffer.from("v") }], { keyPrefix });
    expect(await redis.hget(`${prefix ?? `${appId}||`}${key}`, "data")).toBe("v");
  });
});
