import { appendFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startDaemon, type ComponentYaml, type Daemon } from "../../e2e/daemon.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { startProxy, type Proxy } from "../../servers/proxy.ts";
import { OtlpReceiver } from "../../telemetry/export/otlp-receiver.ts";
import { alerts, alertsText } from "../../telemetry/alerts.ts";
import { ask } from "../../telemetry/prometheus-api.ts";
import { until } from "../../until.ts";
import { record } from "../record.ts";

/** The shipped alerts with seconds in place of minutes. */
function hastened(text: string): string {
  return text
    .replaceAll(/\[10m\]|\[15m\]/g, "[20s]")
    .replaceAll(/\[[125]m\]/g, "[3s]")
    .replaceAll("offset 10m", "offset 20s")
    .replaceAll(/for: \d+m/g, "for: 2s")
    .replaceAll("> 600", "> 8");
}

type Firing = { readonly alert: string; readonly component: string; readonly app: string };

async function firing(url: string): Promise<Firing[]> {
  const { alerts } = await ask<{ alerts: { state: string; labels: Record<string, string> }[] }>(
    url,
    "alerts",
  );
  return alerts
    .filter(({ state }) => state === "firing")
    .map(({ labels: { alertname = "", component = "", app_id: app = "" } }) => ({
      ...{ alert: alertname, component, app },
    }));
}

/** How often Prometheus has evaluated the rules. */
async function evaluations(url: string): Promise<number> {
  const page = await (await fetch(`${url}/metrics`)).text();
  return Number(/^prometheus_rule_group_iterations_total\{.*\} (\d+)$/m.exec(page)?.[1]);
}

const resiliency = `
apiVersion: dapr.io/v1alpha1
kind: Resiliency
metadata: {name: shop}
spec:
  policies: {retries: {once: {policy: constant, duration: 50ms, maxRetries: 1}}}
  targets: {components: {letters: {inbound: {retry: once}}, stuck: {inbound: {retry: once}}}}
`;

describeWith("prometheus", { own: true, rules: hastened(alertsText) }, (prometheus) => {
  describeWith("redis", { own: true }, (redis) => {
    /** An app that refuses, never answers, or handles. */
    const app = createServer((request, response) => {
      const name = (request.url ?? "").slice(1);
      if (request.method === "OPTIONS") return void response.writeHead(200).end();
      if (name === "slow" || name === "hole") return;
      response.writeHead(name === "letters" || name === "stuck" ? 500 : 200).end();
    });
    let appPort: number;
    let folder: string;
    let client: Redis;
    let proxy: Proxy;
    let receiver: OtlpReceiver;
    let one: Daemon;
    let other: Daemon;
    let producing: NodeJS.Timeout | undefined;

    const stream = (
      name: string,
      { host, port } = redis as { host: string; port: number },
      more: Record<string, string> = {},
    ): ComponentYaml => ({
      ...{ name, type: "bindings.redis.streams" },
      metadata: {
        ...{ redisHost: `${host}:${port}`, redisPassword: "", stream: name, consumer: "one" },
        ...{ consumerGroup: "shop", startFrom: "oldest", claimAfter: "1s", ...more },
      },
    });

    beforeAll(async () => {
      await new Promise<void>((resolve) => app.listen(0, "127.0.0.1", resolve));
      appPort = (app.address() as { port: number }).port;
      folder = await mkdtemp(join(tmpdir(), "cufflink-alerts-"));
      client = new Redis({ host: redis.host, port: redis.port });
      proxy = await startProxy(redis);
      receiver = await OtlpReceiver.http();
      const flags = ["--app-port", String(appPort), "--state-dir", folder];
      one = await startDaemon({
        components: [
          ...[stream("letters"), stream("slow", redis, { maxInFlight: "2" }), stream("lost")],
          stream("away", proxy),
          {
            name: "hole",
            type: "bindings.http",
            metadata: { url: `http://127.0.0.1:${appPort}/hole` },
          },
          resiliency,
        ],
        flags: [...flags, "--memory-budget", "16Mi"],
        env: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_BSP_SCHEDULE_DELAY: "100" },
      });
      await prometheus.scrape({ one: `127.0.0.1:${one.metricsPort}` });
      const scraped = async (): Promise<boolean> => {
        const { result } = await ask<{ result: { value: [number, string] }[] }>(
          ...([
            prometheus.url,
            "query",
            { query: 'sum(cufflink_component_state{state="running"})' },
          ] as const),
        );
        return result[0]?.value[1] === "5";
      };
      await until(scraped, { what: "Prometheus to know five running components", within: 60_000 });
    }, 120_000);

    afterAll(async () => {
      clearInterval(producing);
      client?.disconnect();
      await other?.[Symbol.asyncDispose]();
      await one?.[Symbol.asyncDispose]();
      await proxy?.[Symbol.asyncDispose]();
      await receiver?.[Symbol.asyncDispose]();
      app.close();
      app.closeAllConnections();
      if (folder !== undefined) await rm(folder, { recursive: true, force: true });
    });

    /** The app whose alert fires. */
    async function fires(alert: string, component = ""): Promise<string> {
      let last: Firing[] = [];
      let app: string | undefined;
      const found = async (): Promise<boolean> => {
        last = await firing(prometheus.url);
        app = last.find((one) => one.alert === alert && one.component === component)?.app;
        return app !== undefined;
      };
      const what = (): string => `${alert} to fire; there is ${JSON.stringify(last)}`;
      await until(found, { what, within: 90_000, every: 250 });
      return app ?? "";
    }

    test("nothing fires while all is well", async () => {
      await client.xadd("lost", "*", "data", "well");
      const before = await evaluations(prometheus.url);
      // Two a second, for longer than each alert's time.
      await until(async () => (await evaluations(prometheus.url)) >= before + 12, {
        ...{ what: "twelve evaluations of the rules", within: 30_000, every: 250 },
      });
      expect(await firing(prometheus.url)).toEqual([]);
    });

    test("CufflinkDeadLettersGrow: the app refuses an event", { timeout: 120_000 }, async () => {
      await client.xadd("letters", "*", "data", "bad");
      expect(await fires("CufflinkDeadLettersGrow", "letters")).toBe("e2e");
    });

    test(
      "CufflinkInFlightAtLimit, CufflinkEventsStandStill, CufflinkBacklogGrows: the app does not answer",
      { timeout: 180_000 },
      async () => {
        const produce = (): void =>
          void Promise.all([1, 2, 3, 4, 5].map(() => client.xadd("slow", "*", "data", "x")));
        producing = setInterval(produce, 200);
        expect(await fires("CufflinkInFlightAtLimit", "slow")).toBe("e2e");
        expect(await fires("CufflinkEventsStandStill", "slow")).toBe("e2e");
        expect(await fires("CufflinkBacklogGrows", "slow")).toBe("e2e");
        clearInterval(producing);
      },
    );

    test(
      "CufflinkEventsSkipped: the stream is trimmed beneath pending entries",
      { timeout: 120_000 },
      async () => {
        await client
          .multi()
          .xadd("lost", "*", "data", "trimmed")
          .xreadgroup("GROUP", "shop", "dead", "COUNT", 10, "STREAMS", "lost", ">")
          .xtrim("lost", "MAXLEN", 0)
          .exec();
        expect(await fires("CufflinkEventsSkipped", "lost")).toBe("e2e");
      },
    );

    test("CufflinkComponentNotRunning: the server is away", { timeout: 120_000 }, async () => {
      proxy.refuse();
      expect(await fires("CufflinkComponentNotRunning", "away")).toBe("e2e");
      proxy.heal();
      const over = async (): Promise<boolean> =>
        !(await firing(prometheus.url)).some(({ component }) => component === "away");
      await until(over, { what: "the alert to end once the server is back", within: 60_000 });
    });

    test("CufflinkRequestsRefused: too many large requests", { timeout: 120_000 }, async () => {
      const ended = new AbortController();
      const body = JSON.stringify({ operation: "post", data: "x".repeat(3_900_000) });
      const invoke = (): Promise<unknown> =>
        fetch(`http://127.0.0.1:${one.httpPort}/v1.0/bindings/hole`, {
          ...{ method: "POST", body, signal: ended.signal },
        }).catch(() => undefined);
      const calls = Array.from({ length: 8 }, invoke);
      expect(await fires("CufflinkRequestsRefused")).toBe("e2e");
      ended.abort();
      await Promise.all(calls);
    });

    test("CufflinkTelemetryDropped: the receiver refuses", { timeout: 120_000 }, async () => {
      receiver.behaviour = { kind: "refuse", http: 400, grpc: 3 };
      await client.xadd("letters", "*", "data", "traced");
      expect(await fires("CufflinkTelemetryDropped")).toBe("e2e");
    });

    test("CufflinkReloadRefused: a definition has a mistake", { timeout: 120_000 }, async () => {
      await appendFile(
        join(one.folder, "components.yaml"),
        "---\napiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: [\n",
      );
      expect(await fires("CufflinkReloadRefused")).toBe("e2e");
    });

    test(
      "CufflinkStoreFailing, CufflinkComponentStalled: another process has the store",
      { timeout: 180_000 },
      async () => {
        other = await startDaemon({
          components: [stream("stuck"), resiliency],
          flags: ["--app-port", String(appPort), "--state-dir", folder],
        });
        await prometheus.scrape({
          ...{ one: `127.0.0.1:${one.metricsPort}`, other: `127.0.0.1:${other.metricsPort}` },
        });
        expect(await fires("CufflinkStoreFailing")).toBe("e2e");
        // A dead letter that cannot be stored stays where it is.
        await client.xadd("stuck", "*", "data", "bad");
        expect(await fires("CufflinkComponentStalled", "stuck")).toBe("e2e");
      },
    );

    test("each shipped alert has fired above", async () => {
      const own = await readFile(import.meta.filename, "utf8");
      const fired = new Set([...own.matchAll(/await fires\("(\w+)"/g)].map(([, name]) => name));
      expect(fired).toEqual(new Set(alerts.map(({ alert }) => alert)));
      const { version } = await ask<{ version: string }>(prometheus.url, "status/buildinfo");
      await record("alerts", { prometheus: version, fired: alerts.map(({ alert }) => alert) });
    });
  });
});
