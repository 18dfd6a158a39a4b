// The scenarios of Dapr's certification of the Redis binding, under their names, from a sidecar's API to a real server.
import { expect, test } from "vitest";
import type { ComponentYaml, Daemon } from "../e2e/daemon.ts";
import { describeWith, uniqueName } from "../servers/describe-with.ts";
import { startProxy } from "../servers/proxy.ts";
import { until } from "../until.ts";
import { expectInvoked, invoke, durationOf, pause, startSidecar, untilState } from "./sidecar.ts";

const limit = { timeout: 120_000 };

function cache(redisHost: string): ComponentYaml {
  return { name: "cache", type: "bindings.redis", metadata: { redisHost, redisPassword: "" } };
}

async function expectValue(daemon: Daemon, key: string, value: string): Promise<void> {
  expect(await expectInvoked(daemon, "cache", "get", { key })).toBe(JSON.stringify(value));
}

describeWith("redis", { own: true }, (redis) => {
  const host = `${redis.host}:${redis.port}`;

  test("data survives a network cut of 5 s", limit, async () => {
    await using proxy = await startProxy(redis);
    const daemon = await startSidecar([cache(`${proxy.host}:${proxy.port}`)]);
    await untilState(daemon, "cache");
    const key = uniqueName("cut");
    await expectInvoked(daemon, "cache", "create", { key, data: "kept" });
    proxy.stall();
    // Whoever asks during the cut gets an answer, in the end, and not another value.
    const during = invoke(daemon, "cache", "get", { key });
    await pause(durationOf(5));
    proxy.heal();
    const { ok, text } = await during;
    expect(ok ? text : "an error").toMatch(/^("kept"|an error)$/);
    await untilState(daemon, "cache");
    await expectValue(daemon, key, "kept");
  });

  test("data survives a restart of the server", limit, async () => {
    const daemon = await startSidecar([cache(host)]);
    await untilState(daemon, "cache");
    const key = uniqueName("restart");
    await expectInvoked(daemon, "cache", "create", { key, data: "kept" });
    await redis.restart();
    await until(async () => (await invoke(daemon, "cache", "get", { key })).ok, {
      what: () => `the output to work again:\n${daemon.output()}`,
      within: 30_000,
    });
    await expectValue(daemon, key, "kept");
  });

  test("a write during the server's restart is not lost once it is answered", limit, async () => {
    const daemon = await startSidecar([cache(host)]);
    await untilState(daemon, "cache");
    const over = new AbortController();
    const restarted = redis.restart().finally(() => over.abort());
    const answered: string[] = [];
    for (let number = 0; !over.signal.aborted || answered.length === 0; number++) {
      const key = uniqueName(`during-${number}`);
      const { ok } = await invoke(daemon, "cache", "create", { key, data: key });
      if (ok) answered.push(key);
      await pause(5);
    }
    await restarted;
    for (const key of answered) await expectValue(daemon, key, key);
  });
});

describeWith("redis", (redis) => {
  test("a value expires, and the increment of a counter is one", limit, async () => {
    const daemon = await startSidecar([cache(`${redis.host}:${redis.port}`)]);
    await untilState(daemon, "cache");
    const [kept, gone, counter] = [uniqueName("kept"), uniqueName("gone"), uniqueName("counter")];
    await expectInvoked(daemon, "cache", "create", {
      key: kept,
      data: "kept",
      ttlInSeconds: "600",
    });
    await expectInvoked(daemon, "cache", "create", { key: gone, data: "gone", ttlInSeconds: "1" });
    await expectValue(daemon, gone, "gone");
    await expectInvoked(daemon, "cache", "increment", { key: counter });
    await expectInvoked(daemon, "cache", "increment", { key: counter, ttlInSeconds: "1" });
    expect(await expectInvoked(daemon, "cache", "get", { key: counter })).toBe("2");
    for (const key of [gone, counter]) {
      await until(async () => (await expectInvoked(daemon, "cache", "get", { key })) === "", {
        what: `${key} to expire`,
      });
    }
    await expectValue(daemon, kept, "kept");
  });
});
