import { spawnSync } from "node:child_process";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createMetricsServer } from "../../src/telemetry/metrics-server.ts";
import { describeWith } from "../servers/describe-with.ts";
import { until } from "../until.ts";
import { expressionsOf, shippedDashboards } from "./dashboards.ts";
import { fullMetrics, span } from "./full-metrics.ts";
import { ask, query } from "./prometheus-api.ts";

const folder = join(import.meta.dirname, "../../deploy/prometheus");

/** What promtool says of it, one line each, and with which exit code. */
function promtool(args: string[], input = ""): { code: number | null; lines: string[] } {
  const { status, stdout, stderr } = spawnSync("promtool", args, {
    ...{ cwd: folder, input, encoding: "utf8" },
  });
  return { code: status, lines: `${stdout}${stderr}`.split("\n").filter((line) => line !== "") };
}

describeWith("prometheus", { own: true }, (prometheus) => {
  const servers: Server[] = [];

  beforeAll(async () => {
    const metrics = fullMetrics();
    const negotiating = createMetricsServer(metrics);
    // As a scraper that knows no other format.
    const plain = createServer((request, response) => {
      delete request.headers.accept;
      negotiating.emit("request", request, response);
    });
    servers.push(negotiating, plain);
    const targets: string[] = [];
    for (const server of servers) {
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      targets.push(`127.0.0.1:${(server.address() as { port: number }).port}`);
    }
    const [openmetrics = "", text = ""] = targets;
    await prometheus.scrape({ openmetrics, text });
    const names = ["nodejs_eventloop_lag_max_seconds", "process_open_fds"];
    await until(
      async () =>
        (await query(prometheus.url, `{__name__=~"${names.join("|")}"}`)).length === 4 &&
        (await query(prometheus.url, "up == 1")).length === 2,
      { what: () => `Prometheus to scrape both formats:\n${prometheus.log()}`, within: 20_000 },
    );
  });

  afterAll(() => {
    for (const server of servers) {
      server.close();
      server.closeAllConnections();
    }
  });

  test("promtool finds nothing in the page but Dapr's names", async () => {
    const { code, lines } = promtool(["check", "metrics"], await fullMetrics().text());
    expect(lines.filter((line) => !line.startsWith("dapr_component_"))).toEqual([]);
    // 3: there is something, which is daprd's.
    expect([0, 3]).toContain(code);
  });

  test("Prometheus keeps the same series of both formats", async () => {
    const series = async (job: string): Promise<string[]> => {
      const samples = await query(prometheus.url, `{job="${job}",app_id="shop"}`);
      return samples
        .map(({ metric }) => JSON.stringify({ ...metric, job: undefined, instance: undefined }))
        .sort();
    };
    const found = await series("openmetrics");
    expect(found.length).toBeGreaterThan(150);
    expect(found).toEqual(await series("text"));
  });

  test("Prometheus keeps the exemplar with the ids of its trace and span", async () => {
    const name = "cufflink_invocation_duration_seconds_bucket";
    const now = Date.now() / 1000;
    const found = await ask<{ seriesLabels: object; exemplars: object[] }[]>(
      prometheus.url,
      "query_exemplars",
      { query: name, start: String(now - 300), end: String(now + 60) },
    );
    expect(found).toHaveLength(1);
    expect(found[0]?.seriesLabels).toMatchObject({ job: "openmetrics", le: "0.002" });
    expect(found[0]?.exemplars).toMatchObject([
      { labels: { trace_id: span.traceId, span_id: span.spanId }, value: "0.0015" },
    ]);
  });

  test.each([...shippedDashboards()])(
    "each expression of the dashboard %s is one, and finds something",
    async (_, dashboard) => {
      for (const expression of expressionsOf(dashboard)) {
        // A rate needs two scrapes.
        await until(async () => (await query(prometheus.url, expression)).length > 0, {
          ...{ what: `a result of ${expression}`, within: 20_000, every: 100 },
        });
      }
    },
  );

  test("promtool accepts the alerts, and their tests pass", () => {
    expect(promtool(["check", "rules", "alerts.yaml"])).toMatchObject({ code: 0 });
    const { code, lines } = promtool(["test", "rules", "alerts.test.yaml"]);
    expect({ code, lines }).toMatchObject({ code: 0 });
  });
});
