import { expect, onTestFinished, test } from "vitest";
import { RuntimeClient } from "../../src/rpc/client.ts";
import { createApp, DeadLetter } from "../../src/sdk/index.ts";
import { redisClient } from "../bindings/redis/redis.streams/contract-source.ts";
import { describeWith, uniqueName } from "../servers/describe-with.ts";
import { startDaemon } from "./daemon.ts";

const soon = { timeout: 30_000, interval: 50 };

/** Two daemons of one app id that share a store on NATS, each with an app. */
async function replicas(
  servers: { readonly nats: { url: string }; readonly redis: { host: string; port: number } },
  more: readonly string[],
  handle: (text: string, replica: string) => void | Promise<void>,
) {
  const appId = uniqueName("shop");
  const stream = uniqueName("orders");
  const { redis, nats } = servers;
  const redisHost = `${redis.host}:${redis.port}`;
  const components = [
    {
      ...{ name: "orders", type: "bindings.redis.streams" },
      metadata: {
        ...{ redisHost, redisPassword: "", stream, consumerGroup: "shop", direction: "input" },
        startFrom: "oldest",
      },
    },
    {
      ...{ name: "tick", type: "bindings.cron" },
      metadata: { schedule: "@every 1h", singleton: "true" },
    },
  ];
  const start = async (replica: string) => {
    const daemon = await startDaemon({
      components,
      flags: [
        ...["--app-id", appId, "--store", nats.url, "--store-durability", "relaxed"],
        ...["--replica-id", replica, ...more],
      ],
    });
    onTestFinished(() => daemon[Symbol.asyncDispose]());
    const app = createApp({ runtime: `127.0.0.1:${daemon.grpcPort}`, log: () => undefined });
    onTestFinished(() => app.close({ deadline: 0 }));
    app.on("orders", (event) => handle(event.text(), replica));
    app.on("tick", () => undefined);
    await app.start();
    const endpoint = { host: "127.0.0.1", port: daemon.grpcPort };
    const client = new RuntimeClient({
      endpoint: { ...endpoint, secure: false, prefix: "" },
      timeout: 20_000,
      token: undefined,
    });
    onTestFinished(() => client[Symbol.dispose]());
    const state = (name: string) =>
      client.components().then((all) => all.find((one) => one.name === name)?.state);
    return { replica, daemon, app, client, state };
  };
  const both = await Promise.all(["one", "two"].map(start));
  const [one, two] = both as [(typeof both)[0], (typeof both)[0]];
  const redisConnection = redisClient(redis);
  const add = (text: string) => redisConnection.xadd(stream, "*", "data", text);
  return { one, two, add, start };
}

describeWith(["nats", "redis"], (servers) => {
  test.each([
    { what: "each replica", more: [] },
    { what: "each replica with two workers", more: ["--workers", "2"] },
  ])(
    "$what tells of both, and of who owns what; a pause counts for both, also after an absence; dead letters that both redrive come once",
    async ({ more }) => {
      const handled: string[] = [];
      let refuses = true;
      const { one, two, add } = await replicas(servers, more, async (text) => {
        if (refuses) throw new DeadLetter("not yet");
        await new Promise((resolve) => setTimeout(resolve, 20));
        handled.push(text);
      });
      const told = async () => {
        const fleet = await two.client.operator.fleet();
        return {
          replicas: fleet.replicas.map(({ id }) => id),
          running: fleet.components.map(({ name, running }) => `${name} ${running}`),
        };
      };
      await expect
        .poll(told, soon)
        .toEqual({ replicas: ["one", "two"], running: ["orders 2", "tick 1"] });
      const fleet = await one.client.operator.fleet();
      expect(fleet.replica).toBe("one");
      const tick = fleet.components.find(({ name }) => name === "tick");
      expect(["one", "two"]).toContain(tick?.owner);
      expect(Date.parse(tick?.ownedSince ?? "")).toBeGreaterThan(Date.now() - 60_000);
      const standby = tick?.owner === "one" ? two : one;
      expect(await standby.state("tick")).toBe("standby");
      const page = await (
        await fetch(`http://127.0.0.1:${standby.daemon.metricsPort}/metrics`)
      ).text();
      expect(page).toMatch(/^cufflink_replicas\{.*\} 2$/m);
      expect(page).toMatch(/^cufflink_component_owned\{.*component="tick".*\} 0$/m);

      await one.client.operator.pause("orders", "stocktaking", "ada");
      await expect.poll(() => two.state("orders"), soon).toBe("paused");
      two.daemon.process.kill("SIGSTOP");
      await one.client.operator.resume("orders");
      expect(await one.state("orders")).not.toBe("paused");
      two.daemon.process.kill("SIGCONT");
      await expect.poll(() => two.state("orders"), soon).toBe("running");

      const texts = Array.from({ length: 30 }, (_, number) => `order-${number}`);
      for (const text of texts) await add(text);
      // A replica hears of what others have written a moment later.
      const counts = () =>
        Promise.all(
          [one, two].map(async ({ client }) => {
            const { components } = await client.operator.fleet();
            return components.find(({ name }) => name === "orders")?.deadLetters;
          }),
        );
      await expect.poll(counts, soon).toContain(30);
      refuses = false;
      const { signal } = new AbortController();
      const outcomes = await Promise.all(
        [one, two].map(async ({ client }) => {
          const results = [];
          for await (const progress of client.deadLetters.redrive(
            { all: true, filter: {} },
            { signal },
          ))
            results.push(progress);
          return results;
        }),
      );
      expect(handled.toSorted()).toEqual(texts.toSorted());
      // Each is told by the one that has handled it, and by the other one as skipped.
      const results = outcomes.flat().flatMap(({ result }) => result ?? []);
      expect(results.filter(({ outcome }) => outcome === "handled")).toHaveLength(texts.length);
      const kept = results.filter(({ outcome, reason }) => outcome === "handled" && reason !== "");
      expect(kept).toEqual([]);
      await expect.poll(counts, soon).toContain(0);
    },
    60_000,
  );
});
