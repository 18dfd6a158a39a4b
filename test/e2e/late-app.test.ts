import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { describeWith } from "../servers/describe-with.ts";
import { reservePort } from "../servers/ports.ts";
import { until } from "../until.ts";
import { recorded, startApp } from "./app-process.ts";
import { startDaemon } from "./daemon.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "cufflink-late-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const tick = { name: "tick", type: "bindings.cron", metadata: { schedule: "@every 200ms" } };

describe("start order does not matter", () => {
  test.concurrent.each([0, 1, 5, 30])(
    "an app that starts %i s late gets its events",
    { timeout: 60_000 },
    async (late) => {
      const port = await reservePort();
      const file = join(folder, `late-${late}`);
      await using daemon = await startDaemon({
        components: [tick],
        flags: ["--app-port", String(port), "--app-protocol", "grpc"],
      });
      expect(await daemon.state("tick")).toBe("waiting for app");
      await new Promise((resolve) => setTimeout(resolve, late * 1000));
      const app = await startApp({ port, file, bindings: ["tick"] });
      await until(async () => (await recorded(file)).length > 0, {
        what: () => `a tick; the daemon said:\n${daemon.output()}`,
      }).finally(() => app.kill());
      await until(async () => (await daemon.state("tick")) === "waiting for app", {
        what: "the state to tell that the app is gone",
      });
      expect(daemon.process.exitCode).toBeNull();
    },
  );

  test("SIGTERM ends it with 0 while an app is connected", async () => {
    const port = await reservePort();
    const file = join(folder, "term");
    const app = await startApp({ port, file, bindings: ["tick"] });
    await using daemon = await startDaemon({
      components: [tick],
      flags: ["--app-port", String(port), "--app-protocol", "grpc"],
    });
    await until(async () => (await recorded(file)).length > 0, { what: "a tick" });
    expect(await daemon.end()).toBe(0);
    await app.kill();
  });
});

describeWith("redis", { own: true, started: false }, (redis) => {
  test("an output whose server is down at start waits visibly and works once it comes", async () => {
    await using daemon = await startDaemon({
      components: [
        {
          name: "cache",
          type: "bindings.redis",
          metadata: { redisHost: `${redis.host}:${redis.port}`, readiness: "required" },
        },
      ],
    });
    expect(await daemon.state("cache")).toBe("reconnecting");
    const health = async (path: string): Promise<number> =>
      (await fetch(`http://127.0.0.1:${daemon.httpPort}/v1.0/healthz${path}`)).status;
    // It was never up, and is required all the same; liveness has no part in it.
    expect([await health(""), await health("/ready")]).toEqual([204, 503]);
    await redis.start();
    await until(async () => (await daemon.state("cache")) === "running", {
      what: () => daemon.output(),
      within: 20_000,
    });
    expect(await health("/ready")).toBe(204);
    const answer = await fetch(`http://127.0.0.1:${daemon.httpPort}/v1.0/bindings/cache`, {
      method: "POST",
      body: '{"operation":"create","data":"x","metadata":{"key":"k"}}',
    });
    expect(answer.status).toBe(204);
  });
});
