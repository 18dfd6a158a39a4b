import { expect, test } from "vitest";
import { BindingError } from "../../src/errors.ts";
import { otelName } from "../../src/telemetry/metric-model.ts";
import type { MetricFamily } from "../../src/telemetry/metric-model.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { component, fullMetrics } from "./full-metrics.ts";

async function family(metrics: Metrics, name: string): Promise<MetricFamily> {
  const found = (await metrics.collect()).find((one) => one.name === name);
  if (found === undefined) throw new Error(`no metric ${name}`);
  return found;
}

test("names and values of labels are in snake case, without spaces, but for the deprecated ones", async () => {
  for (const { name, points } of await fullMetrics(undefined, { deprecated: false }).collect()) {
    expect(name).toMatch(/^[a-z][a-z0-9]*(_[a-z0-9]+)+$/);
    for (const { attributes } of points) {
      for (const [label, value] of Object.entries(attributes)) {
        expect(label).toMatch(/^[a-z]+(_[a-z]+)*$/);
        // The name of a breaker is the user's.
        if (label !== "breaker") expect(value, `${name} ${label}`).toMatch(/^\S+$/);
      }
    }
  }
});

test("what was renamed is written under both names, and can be written under the new one alone", async () => {
  const both = await fullMetrics().text();
  const alone = await fullMetrics(undefined, { deprecated: false }).text();
  for (const old of [
    'cufflink_event_attempts_total{app_id="shop",component="store",outcome="not attempted"} 1',
    'cufflink_events_handled_total{app_id="shop",component="store"} 7',
    'cufflink_events_ended_total{app_id="shop",component="store",how="dead letter"} 1',
    'cufflink_events_missed_total{app_id="shop",component="store",why="no commit"} 5',
    'cufflink_reloads_total{app_id="shop",outcome="partly applied"} 1',
    'state="waiting for app"} 1',
  ]) {
    expect(both).toContain(old);
    expect(alone).not.toContain(old);
  }
  const helps = [
    ...both.matchAll(/^# HELP (\S+) Deprecated, see (\w+); not in the next release/gm),
  ];
  expect(helps.map(([, name]) => name)).toHaveLength(5);
  for (const [, name, instead = ""] of helps) {
    expect(alone).not.toContain(`# TYPE ${name} `);
    expect(alone).toContain(instead);
  }
});

test("operations that somebody makes up do not make more and more series", async () => {
  const metrics = new Metrics("shop", () => []);
  for (let index = 0; index < 1000; index++) {
    metrics.invoked("store", `made-up-${index}`, undefined, 1);
    metrics.invoked("store", `bad-${index}`, new BindingError("not_found", "no"), 1);
  }
  metrics.invoked("store", "x".repeat(1 << 20), undefined, 1);
  const { points } = await family(metrics, "dapr_component_output_binding_latencies");
  const operations = points.map(({ attributes }) => attributes["operation"] ?? "");
  expect(new Set(operations).size).toBe(51);
  expect(operations).toContain("other");
  const counts = await family(metrics, "dapr_component_output_binding_count");
  const sum = counts.points.reduce((all, point) => all + ("value" in point ? point.value : 0), 0);
  expect(sum).toBe(2001);
});

test("components that come and go do not make more and more series", async () => {
  const metrics = new Metrics("shop", () => []);
  for (let index = 0; index < 1000; index++) {
    metrics.invoked(`store-${index}`, "create", undefined, 1);
    if (index % 100 === 99) await metrics.collect();
  }
  const { points } = await family(metrics, "dapr_component_output_binding_count");
  expect(points).toHaveLength(100);
  expect(points.at(-1)?.attributes["component"]).toBe("store-999");
});

test("durations are counted once, for Dapr's buckets in milliseconds and ours in seconds", async () => {
  const metrics = new Metrics("shop", () => []);
  for (const milliseconds of [0.05, 0.2, 1, 1.5, 12, 700, 7000, 20_000, 100_000])
    metrics.invoked("store", "create", undefined, milliseconds);
  metrics.invoked("store", "create", new BindingError("not_found", "no"), 3);
  metrics.invoked("store", "create", new BindingError("unavailable", "no"), 30);
  const lines = (await metrics.text()).split("\n");
  const value = (start: string): number =>
    Number(
      lines
        .find((line) => line.startsWith(start))
        ?.split(" ")
        .at(-1),
    );
  const labels = 'app_id="shop",component="store",operation="create"';
  const dapr = (success: boolean, le: string): number =>
    value(
      `dapr_component_output_binding_latencies_bucket{${labels},success="${success}",le="${le}"`,
    );
  expect(["1", "2", "13", "800", "10000", "+Inf"].map((le) => dapr(true, le))).toEqual([
    3, 4, 5, 6, 7, 9,
  ]);
  expect(["2", "3", "25", "30", "+Inf"].map((le) => dapr(false, le))).toEqual([0, 1, 1, 2, 2]);
  const ours = (le: string): number =>
    value(`cufflink_invocation_duration_seconds_bucket{${labels},le="${le}"`);
  const bounds = ["0.0001", "0.0005", "0.001", "0.002", "0.025", "1.0", "10.0", "30.0", "60.0"];
  expect(bounds.map(ours)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 8]);
  expect(ours("+Inf")).toBe(9);
  const failed = `cufflink_invocation_duration_seconds_sum{${labels},error_type="not_found"}`;
  expect(value(failed)).toBe(0.003);
});

test("a counter that begins anew says since when", async () => {
  let rebuilds = 5;
  const metrics = new Metrics("shop", () => [{ ...component, rebuilds }]);
  const since = async (): Promise<number> => {
    const [point] = (await family(metrics, "cufflink_component_rebuilds_total")).points;
    return point?.since ?? 0;
  };
  const began = await since();
  rebuilds = 7;
  expect(await since()).toBe(began);
  await new Promise((resolve) => setTimeout(resolve, 2));
  const before = Date.now();
  await metrics.collect();
  rebuilds = 1;
  const anew = await since();
  expect(anew).toBeGreaterThanOrEqual(before);
  rebuilds = 2;
  expect(await since()).toBe(anew);
});

test("one collector takes nothing from another: not what was once, and not the event loop's delay", async () => {
  let state: "waiting for app" | "running" = "waiting for app";
  const metrics = new Metrics("shop", () => [{ ...component, state }]);
  const otlp = { collector: "otlp", deprecated: false };
  const told = async (): Promise<string[]> =>
    (await metrics.text()).split("\n").filter((line) => /state="waiting.for.app"/.test(line));
  expect(await told()).toHaveLength(2);
  state = "running";
  await metrics.collect(otlp);
  expect((await told()).map((line) => line.split(" ").at(-1))).toEqual(["0", "0"]);
  const hasDelay = async (collecting?: typeof otlp): Promise<boolean> =>
    (await metrics.collect(collecting)).some(({ name }) => name.startsWith("nodejs_eventloop_lag"));
  expect([await hasDelay(), await hasDelay(otlp)]).toEqual([true, true]);
});

test("names in OpenTelemetry have no unit and no suffix, and no name is the start of another", async () => {
  const metrics = fullMetrics();
  await metrics.collect();
  const families = (await metrics.collect()).filter((one) => one.replacedBy === undefined);
  const names = families.map(otelName);
  expect(names).toContain("cufflink.invocation_duration");
  expect(names).toContain("cufflink.events_settled");
  expect(names).toContain("process.cpu.time");
  expect(names).toContain("dapr_component_input_binding_count");
  expect(new Set(names).size).toBe(names.length);
  for (const name of names) {
    expect(name).not.toMatch(/_(total|seconds|bytes)$/);
    expect(names.filter((other) => other.startsWith(`${name}.`))).toEqual([]);
  }
});
