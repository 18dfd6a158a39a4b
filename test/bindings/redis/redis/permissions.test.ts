import { Redis } from "ioredis";
import { expect, onTestFinished, test } from "vitest";
import redisBinding from "../../../../src/bindings/redis/redis/index.ts";
import redisState from "../../../../src/states/redis.ts";
import { describeWith, uniqueName } from "../../../servers/describe-with.ts";
import { openOutput, textOf, type OpenedOutput } from "../../opened-output.ts";

describeWith("redis", (server) => {
  const address = `${server.host}:${server.port}`;

  /** A component whose user may give these commands only. */
  async function userOf(
    binding: typeof redisBinding | typeof redisState,
    ...rights: string[]
  ): Promise<OpenedOutput> {
    const admin = new Redis({ host: server.host, port: server.port });
    const name = uniqueName("user");
    await admin.call("ACL", "SETUSER", name, "on", ">hidden", "~*", ...rights);
    const redis = await openOutput(binding, {
      ...{ redisHost: address, redisUsername: name, redisPassword: "hidden" },
    });
    onTestFinished(async () => {
      await redis[Symbol.asyncDispose]();
      await admin.call("ACL", "DELUSER", name);
      await admin.quit();
    });
    return redis;
  }

  async function timeToLive(key: string): Promise<number> {
    const admin = new Redis({ host: server.host, port: server.port });
    try {
      return await admin.pttl(key);
    } finally {
      await admin.quit();
    }
  }

  test.each<[string, Record<string, string>, string[]]>([
    ["create", {}, ["+set"]],
    ["create", { ttl: "90s" }, ["+set"]],
    ["create", { ttl: "0" }, ["+expire"]],
    ["get", {}, ["+get"]],
    ["get", { delete: "true" }, ["+getdel"]],
    ["delete", {}, ["+del"]],
    ["increment", {}, ["+incr"]],
    ["increment", { ttl: "90s" }, ["+incr", "+expire"]],
    ["increment", { ttl: "90s" }, ["+incr", "+expire", "+eval"]],
    ["increment", { ttl: "1500ms" }, ["+incr", "+pexpire"]],
  ])("%s %j needs %j and nothing else", async (operation, metadata, rights) => {
    const redis = await userOf(redisBinding, ...rights);
    const key = uniqueName("key");
    await redis.invoke(operation, { key, ...metadata }, { data: "1" });
    // Even the heartbeat may be denied: it is answered all the same.
    const denied = redis.invoke("create", { key: uniqueName("other") }, { data: "1" });
    if (!rights.includes("+set"))
      await expect(denied).rejects.toMatchObject({
        reason: "permission_denied",
        effect: "rejected",
      });
    expect(redis.logger.warn).not.toHaveBeenCalled();
  });

  test("increment without scripts: counts and keeps its end, also the second time; what is no number stays", async () => {
    const redis = await userOf(redisBinding, "+incr", "+expire", "+get", "+set");
    const key = uniqueName("count");
    for (let n = 0; n < 2; n++) await redis.invoke("increment", { key, ttl: "60" });
    expect(textOf(await redis.invoke("get", { key }))).toBe("2");
    expect(await timeToLive(key)).toBeGreaterThan(50_000);
    const text = uniqueName("text");
    await redis.invoke("create", { key: text }, { data: "abc" });
    await expect(redis.invoke("increment", { key: text, ttl: "0" })).rejects.toThrow(
      "not an integer",
    );
    expect(textOf(await redis.invoke("get", { key: text }))).toBe("abc");
  });

  test.each([["+eval"], []])(
    "increment whose end may not be set says that it was raised (%j)",
    async (...more) => {
      const redis = await userOf(redisBinding, "+incr", "+get", ...more.filter(Boolean));
      const key = uniqueName("count");
      await expect(redis.invoke("increment", { key, ttl: "60" })).rejects.toMatchObject({
        effect: "rejected",
      });
      expect(textOf(await redis.invoke("get", { key }))).toBe("1");
    },
  );

  test("a wrong password is still no answer", async () => {
    const properties = { redisHost: address, redisUsername: "nobody", redisPassword: "hidden" };
    await expect(openOutput(redisBinding, properties)).rejects.toMatchObject({
      reason: "unauthenticated",
    });
  });

  test("state.redis needs eval and what its script calls", async () => {
    const redis = await userOf(redisState, "+eval", "+type", "+del", "+hset", "+hincrby");
    const saved = redis.invoke("set", { key: uniqueName("state") }, { data: "x" });
    await expect(saved).resolves.toBeUndefined();
  });
});
