import { expect, test } from "vitest";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { createMetricsServer } from "../../src/telemetry/metrics-server.ts";
import { openMetricsText } from "../../src/telemetry/openmetrics-text.ts";
import { prefersOpenMetrics } from "../../src/telemetry/text-negotiation.ts";
import { fullMetrics, span } from "./full-metrics.ts";

async function openMetrics(metrics: Metrics): Promise<string> {
  return [...openMetricsText(await metrics.collect(), { app_id: "shop" })].join("");
}

test("OpenMetrics has units, infos and an end, and Dapr's counters as they are", async () => {
  const text = await openMetrics(fullMetrics());
  expect(text).toMatch(/\n# EOF\n$/);
  expect(text).toContain("# TYPE cufflink_build info\n");
  expect(text).toMatch(/^cufflink_build_info\{app_id="shop",.*\} 1$/m);
  expect(text).toContain("# TYPE cufflink_events_settled counter\n");
  expect(text).toMatch(/^cufflink_events_settled_total\{.*outcome="handled"\} 7$/m);
  expect(text).toContain(
    "# TYPE cufflink_invocation_duration_seconds histogram\n# UNIT cufflink_invocation_duration_seconds seconds\n",
  );
  expect(text).toContain("# UNIT process_cpu_seconds seconds\n");
  expect(text).toContain("# UNIT cufflink_memory_held_bytes bytes\n");
  expect(text).toContain("# TYPE dapr_component_output_binding_count unknown\n");
  const units = [...text.matchAll(/^# UNIT (\S+) (\S+)$/gm)];
  for (const [, name, unit] of units) expect(name?.endsWith(`_${unit}`)).toBe(true);
});

test("both formats have the same series, so that a server may change from one to the other", async () => {
  const metrics = fullMetrics();
  const series = (text: string): string[] =>
    [...text.matchAll(/^([a-z]\S*?\{.*?\}) \S+(?: #.*)?$/gm)].map(([, one = ""]) => one).sort();
  const plain = series(await metrics.text());
  expect(plain.length).toBeGreaterThan(100);
  // The event loop's delay is told from the second time on.
  const lag = (one: string): boolean => !one.startsWith("nodejs_eventloop_lag");
  expect(series(await openMetrics(metrics)).filter(lag)).toEqual(plain.filter(lag));
});

test("a recorded span is the exemplar of its bucket in OpenMetrics, and nowhere else", async () => {
  const metrics = fullMetrics();
  const text = await openMetrics(metrics);
  const exemplars = text.split("\n").filter((line) => line.includes(" # {"));
  expect(exemplars).toHaveLength(1);
  const [line = ""] = exemplars;
  expect(line).toMatch(/^cufflink_invocation_duration_seconds_bucket\{.*,le="0\.002"\} 1 # \{/);
  expect(line).toContain(`{trace_id="${span.traceId}",span_id="${span.spanId}"} 0.0015 `);
  expect(Math.abs(Date.now() / 1000 - Number(line.split(" ").at(-1)))).toBeLessThan(20);
  expect(await metrics.text()).not.toContain(span.traceId);
});

test.each([
  [undefined, false],
  ["", false],
  ["*/*", false],
  ["text/plain", false],
  ["text/html,application/xhtml+xml,*/*;q=0.8", false],
  ["application/openmetrics-text", true],
  ["application/openmetrics-text; version=1.0.0; charset=utf-8", true],
  ["application/openmetrics-text;version=0.0.1", false],
  ["application/openmetrics-text;version=2.0.0,text/plain;version=0.0.4", false],
  ["application/openmetrics-text;q=0", false],
  ["application/openmetrics-text;q=0.4,text/plain;q=0.5", false],
  ["application/openmetrics-text;q=0.5,text/plain;q=0.4", true],
  ["application/openmetrics-text;q=0.5,*/*;q=0.9,text/plain;q=0.1", true],
  ["text/plain;version=0.0.4,application/openmetrics-text", true],
  // As Prometheus 2.42 and 3 ask.
  [
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    true,
  ],
  [
    'application/openmetrics-text;version="1.0.0";escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;q=0.3,*/*;q=0.2',
    true,
  ],
])("Accept: %s", (accept, expected) => {
  expect(prefersOpenMetrics(accept)).toBe(expected);
});

test("the page is in the format that is asked for", async () => {
  const server = createMetricsServer(new Metrics("shop", () => []));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const { port } = server.address() as { port: number };
    const get = async (accept: string): Promise<[string | null, string]> => {
      const page = await fetch(`http://127.0.0.1:${port}/metrics`, { headers: { accept } });
      expect(page.headers.get("vary")).toBe("accept");
      return [page.headers.get("content-type"), await page.text()];
    };
    const [type, text] = await get("application/openmetrics-text;version=1.0.0");
    expect(type).toBe("application/openmetrics-text; version=1.0.0; charset=utf-8");
    expect(text).toMatch(/\n# EOF\n$/);
    const [plainType, plain] = await get("*/*");
    expect(plainType).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(plain).not.toContain("# EOF");
  } finally {
    server.close();
    server.closeAllConnections();
  }
});
