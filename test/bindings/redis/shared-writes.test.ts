import { Socket } from "node:net";
import { setImmediate as turnEnds } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import redisBinding from "../../../src/bindings/redis/redis/index.ts";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { openOutput, textOf } from "../opened-output.ts";
import type { OpenedOutput } from "../opened-output.ts";

describeWith("redis", (server) => {
  let redis: OpenedOutput;
  beforeAll(async () => {
    redis = await openOutput(redisBinding, { redisHost: `${server.host}:${server.port}` });
  });
  afterAll(() => redis[Symbol.asyncDispose]());
  afterEach(() => vi.restoreAllMocks());

  test("commands of one turn go out in one write, and each has its own answer", async () => {
    const single = vi.spyOn(Socket.prototype, "_write");
    const several = vi.spyOn(Socket.prototype as Required<Socket>, "_writev");
    const keys = Array.from({ length: 50 }, () => uniqueName("shared"));
    await Promise.all(keys.map((key) => redis.invoke("create", { key }, { data: `of ${key}` })));
    expect(several.mock.calls.map(([chunks]) => chunks.length)).toEqual([50]);
    expect(single).not.toHaveBeenCalled();
    const answers = await Promise.all(keys.map((key) => redis.invoke("get", { key })));
    expect(answers.map(textOf)).toEqual(keys.map((key) => `of ${key}`));
    expect(several).toHaveBeenCalledTimes(2);
  });

  test("a refusal among them is its own command's alone", async () => {
    const [text, count] = [uniqueName("text"), uniqueName("count")];
    await redis.invoke("create", { key: text }, { data: "abc" });
    const outcomes = await Promise.allSettled([
      redis.invoke("increment", { key: count }),
      redis.invoke("increment", { key: text }),
      redis.invoke("increment", { key: count }),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(textOf(await redis.invoke("get", { key: count }))).toBe("2");
  });

  test("a lone command is written within the turn in which it is issued", async () => {
    const written = vi.spyOn(Socket.prototype, "_write");
    const answer = redis.invoke("create", { key: uniqueName("lone") }, { data: "x" });
    await turnEnds();
    expect(written).toHaveBeenCalledOnce();
    await answer;
  });
});
