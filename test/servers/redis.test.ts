import { expect, test } from "vitest";
import { describeWith, uniqueName } from "./describe-with.ts";
import { isAlive } from "./ports.ts";
import { exchange } from "./exchange.ts";

describeWith("redis", (redis) => {
  test("answers at its address", async () => {
    const name = uniqueName("greeting");
    const said = await exchange(redis, `SET ${name} hello\r\nGET ${name}\r\n`, /hello\r\n$/);
    expect(said).toBe("+OK\r\n$5\r\nhello\r\n");
    const given = process.env["REDIS_URL"];
    expect(redis.url).toBe(given ?? `redis://${redis.host}:${redis.port}`);
  });
});

describeWith("redis", { own: true, arguments: ["--requirepass", "opensesame"] }, (redis) => {
  const login = "AUTH opensesame\r\n";

  test("keeps its data over a restart and over a kill", async () => {
    await exchange(redis, `${login}SET kept yes\r\n`, /OK\r\n.*OK\r\n$/s);
    const before = redis.pid;
    await redis.restart();
    expect(redis.pid).not.toBe(before);
    expect(await exchange(redis, `${login}GET kept\r\n`, /yes\r\n$/)).toContain("yes");
    await redis.kill();
    await redis.start();
    expect(await exchange(redis, `${login}GET kept\r\n`, /yes\r\n$/)).toContain("yes");
  });

  test("has the options it was given", async () => {
    expect(await exchange(redis, "GET kept\r\n", /\r\n$/)).toContain("NOAUTH");
  });

  test("answers nothing while it is frozen, and then all of it", async () => {
    redis.pause();
    const said = exchange(redis, "PING\r\n", /\r\n$/);
    await expect(exchange(redis, "PING\r\n", /\r\n$/, 200)).rejects.toThrow(/200 ms/);
    redis.resume();
    expect(await said).toContain("NOAUTH");
  });

  test("is gone after stop, also out of a freeze", async () => {
    const pid = redis.pid ?? 0;
    expect(isAlive(pid)).toBe(true);
    redis.pause();
    await redis.stop();
    expect(isAlive(pid)).toBe(false);
    expect(redis.pid).toBeUndefined();
    await expect(exchange(redis, "PING\r\n", /\r\n$/)).rejects.toThrow(/ECONNREFUSED/);
  });
});

describeWith("redis", { own: true, started: false }, (redis) => {
  test("is down until the test starts it, at the address known before", async () => {
    await expect(exchange(redis, "PING\r\n", /\r\n$/)).rejects.toThrow(/ECONNREFUSED/);
    await redis.start();
    expect(await exchange(redis, "PING\r\n", /\r\n$/)).toBe("+PONG\r\n");
  });
});

describeWith("redis", { own: true, started: false, arguments: ["--nonsense", "1"] }, (redis) => {
  test("says why it does not start, with the end of its log", async () => {
    await expect(redis.start()).rejects.toThrow(
      /Redis ended with code 1 while it started.*nonsense/s,
    );
    expect(redis.pid).toBeUndefined();
  });
});
