import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { BindingError } from "../../src/errors.ts";
import type { ComponentStatus } from "../../src/runtime/status.ts";
import { daprVersion, version } from "../../src/version.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { prometheusText } from "../../src/telemetry/prometheus-text.ts";
import { bytesOfPieces } from "../../src/telemetry/slices.ts";
import { component, fullMetrics, noEnds } from "./full-metrics.ts";
import { createMetricsServer } from "../../src/telemetry/metrics-server.ts";

/** The samples by name and labels, whatever order the labels are in. */
async function scrape(metrics: Metrics): Promise<Map<string, number>> {
  const samples = new Map<string, number>();
  for (const line of (await metrics.text()).split("\n")) {
    const match = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (match === null) continue;
    const labels = [...(match[2] ?? "").matchAll(/(\w+)="([^"]*)"/g)].map(
      ([, name, value]) => `${name}=${value}`,
    );
    samples.set([match[1], ...labels.sort()].join(" "), Number(match[3]));
  }
  return samples;
}

test("outputs are counted and timed under Dapr's names", async () => {
  const metrics = new Metrics("shop", () => []);
  metrics.invoked("store", "create", undefined, 1.5);
  metrics.invoked("store", "create", undefined, 70);
  metrics.invoked("store", "get", new BindingError("not_found", "no"), 2);
  const samples = await scrape(metrics);
  const create = "app_id=shop component=store operation=create success=true";
  expect(samples.get(`dapr_component_output_binding_count ${create}`)).toBe(2);
  const failed = "app_id=shop component=store operation=get success=false";
  expect(samples.get(`dapr_component_output_binding_count ${failed}`)).toBe(1);
  const bucket = (le: string) =>
    samples.get(
      `dapr_component_output_binding_latencies_bucket app_id=shop component=store le=${le} operation=create success=true`,
    );
  expect([bucket("1"), bucket("2"), bucket("65"), bucket("80"), bucket("+Inf")]).toEqual([
    0, 1, 1, 2, 2,
  ]);
  expect(samples.get(`dapr_component_output_binding_latencies_sum ${create}`)).toBe(71.5);
});

test("Dapr's metrics are written as daprd writes them, to the letter", async () => {
  const metrics = new Metrics("shop", () => []);
  metrics.invoked("store", "create", undefined, 1.5);
  metrics.attempted("tick", "refused", 70);
  const text = (await metrics.text()).split("\n").filter((line) => line.includes("dapr_"));
  const expected = (name: string, help: string, labels: string, value: number): string[] => {
    const bounds = [
      ...[1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 30, 40, 50, 65, 80, 100, 130, 160, 200, 250],
      ...[300, 400, 500, 650, 800, 1000, 2000, 5000, 10_000],
    ];
    const bucket = (le: string, count: number): string =>
      `${name}_latencies_bucket{${labels},le="${le}"} ${count}`;
    return [
      `# HELP ${name}_count ${help}.`,
      `# TYPE ${name}_count counter`,
      `${name}_count{${labels}} 1`,
      `# HELP ${name}_latencies ${help}: how long they took, in milliseconds.`,
      `# TYPE ${name}_latencies histogram`,
      ...bounds.map((bound) => bucket(String(bound), value <= bound ? 1 : 0)),
      bucket("+Inf", 1),
      `${name}_latencies_sum{${labels}} ${value}`,
      `${name}_latencies_count{${labels}} 1`,
    ];
  };
  const output = 'app_id="shop",component="store",operation="create",success="true"';
  const input = 'app_id="shop",component="tick",success="false"';
  const [toOutputs, toApp] = [
    "Invocations of output bindings",
    "Events that the app was asked to handle",
  ];
  expect(text.filter((line) => !line.includes("dapr_version"))).toEqual([
    ...expected("dapr_component_output_binding", toOutputs, output, 1.5),
    ...expected("dapr_component_input_binding", toApp, input, 70),
  ]);
});

test("attempts count as events of the input, but not those that were never sent", async () => {
  const metrics = new Metrics("shop", () => []);
  metrics.attempted("tick", "handled", 4);
  metrics.attempted("tick", "refused", 4);
  metrics.attempted("tick", "unsent", 0);
  const samples = await scrape(metrics);
  for (const success of ["true", "false"]) {
    const name = `dapr_component_input_binding_count app_id=shop component=tick success=${success}`;
    expect(samples.get(name)).toBe(1);
  }
  for (const outcome of ["handled", "refused", "unsent"]) {
    expect(
      samples.get(`cufflink_event_attempts_total app_id=shop component=tick outcome=${outcome}`),
    ).toBe(1);
  }
});

test("components show their state, what is in flight and what waits, as they are at the scrape", async () => {
  let components = [component];
  const metrics = new Metrics("shop", () => components);
  const samples = await scrape(metrics);
  const labels = "app_id=shop component=store";
  expect(samples.get(`cufflink_events_in_flight ${labels}`)).toBe(3);
  expect(samples.get(`cufflink_events_waiting ${labels}`)).toBe(2);
  expect(samples.get(`cufflink_events_handled_total ${labels}`)).toBe(7);
  expect(
    samples.get(`cufflink_component_state ${labels} state=waiting_for_app type=bindings.redis`),
  ).toBe(1);
  const running = `cufflink_component_state ${labels} state=running type=bindings.redis`;
  expect(samples.has(running)).toBe(false);
  components = [{ ...component, state: "running", inFlight: 0 }];
  expect((await scrape(metrics)).get(running)).toBe(1);
  components = [{ ...component, inFlight: 0 }];
  const later = await scrape(metrics);
  expect(later.get(running)).toBe(0);
  expect(later.get(`cufflink_events_in_flight ${labels}`)).toBe(0);
  components = [];
  expect(
    [...(await scrape(metrics)).keys()].filter((name) => name.includes("component=store")),
  ).toEqual([]);
});

test("what an operator watches is counted", async () => {
  const samples = await scrape(fullMetrics());
  const labels = "app_id=shop component=store";
  expect(samples.get(`cufflink_events_settled_total ${labels} outcome=dead_letter`)).toBe(1);
  expect(samples.get(`cufflink_events_settled_total ${labels} outcome=handled`)).toBe(7);
  expect(samples.get(`cufflink_events_skipped_total ${labels} reason=retention`)).toBe(12);
  expect(samples.get(`cufflink_lease_renewals_total ${labels} outcome=failed`)).toBe(1);
  expect(samples.get(`cufflink_events_backlog ${labels}`)).toBe(12);
  expect(samples.get(`cufflink_window_full ${labels}`)).toBe(1);
  expect(samples.get(`cufflink_component_rebuilds_total ${labels}`)).toBe(2);
  expect(samples.get(`cufflink_events_oldest_age_seconds ${labels}`)).toBeGreaterThanOrEqual(5);
  expect(samples.get(`cufflink_dead_letters ${labels}`)).toBe(5);
  expect(samples.get(`cufflink_dead_letters_bytes ${labels}`)).toBe(1234);
  expect(samples.get(`cufflink_dead_letters_oldest_age_seconds ${labels}`)).toBeGreaterThan(59);
  expect(samples.get(`cufflink_dead_letters_redriven_total ${labels} outcome=refused`)).toBe(2);
  expect(samples.get(`cufflink_dead_letters_dropped_total ${labels}`)).toBe(3);
  expect(samples.get(`cufflink_dead_letters_expired_total ${labels}`)).toBe(4);
  expect(samples.get("cufflink_reload_revision app_id=shop")).toBe(7);
  expect(samples.get("cufflink_config_reloads_total app_id=shop outcome=partly_applied")).toBe(1);
  expect(samples.get("cufflink_config_reloads_total app_id=shop outcome=refused")).toBe(0);
  expect(samples.get("cufflink_store_trouble app_id=shop")).toBe(1);
  expect(samples.get("cufflink_memory_held_bytes app_id=shop share=http")).toBe(400);
  expect(samples.get("cufflink_memory_limit_bytes app_id=shop share=http")).toBe(500);
  expect(samples.get("cufflink_memory_refusals_total app_id=shop share=http")).toBe(1);
});

test("a store that cannot count costs the page what it does not know", async () => {
  const samples = await scrape(fullMetrics(() => Promise.reject(new Error("the disk is gone"))));
  const labels = "app_id=shop component=store";
  expect(samples.has(`cufflink_dead_letters ${labels}`)).toBe(false);
  expect(samples.get(`cufflink_dead_letters_dropped_total ${labels}`)).toBe(3);
});

test("the page is what Prometheus reads: each metric once, typed, its series unlike each other", async () => {
  const text = await fullMetrics().text();
  expect(text.endsWith("\n")).toBe(true);
  const types = new Map<string, string>();
  const series = new Set<string>();
  let current = "";
  for (const line of text.trimEnd().split("\n")) {
    const help = /^# HELP ([a-z0-9_]+) \S.*$/.exec(line);
    const type = /^# TYPE ([a-z0-9_]+) (counter|gauge|histogram)$/.exec(line);
    if (help !== null) {
      expect(types.has(help[1]!), line).toBe(false);
      current = help[1]!;
    } else if (type !== null) {
      expect(type[1]).toBe(current);
      types.set(current, type[2]!);
    } else {
      const label = String.raw`[a-z_]+="(?:[^"\\\n]|\\["\\n])*"`;
      const sample = new RegExp(
        `^([a-z0-9_]+)(\\{${label}(?:,${label})*\\}) (\\d+(?:\\.\\d+)?)$`,
      ).exec(line);
      expect(sample, line).not.toBeNull();
      const [, name = "", labels = ""] = sample!;
      const suffix = types.get(current) === "histogram" ? "(_bucket|_sum|_count)" : "";
      expect(name).toMatch(new RegExp(`^${current}${suffix}$`));
      expect(series.has(name + labels), line).toBe(false);
      series.add(name + labels);
    }
  }
  const sampled = new Set([...series].map((one) => one.replace(/\{.*/, "")));
  const silent = [...types.keys()].filter((name) => !sampled.has(name));
  expect(silent.filter((name) => types.get(name) !== "histogram")).toEqual([]);
});

test("counters end in _total and nothing else does, and units are seconds and bytes; Dapr's names stay", async () => {
  const text = await fullMetrics().text();
  const ours = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].filter(
    ([, name]) => !name?.startsWith("dapr_"),
  );
  expect(ours.length).toBeGreaterThan(20);
  for (const [, name = "", type] of ours) {
    expect(name.endsWith("_total"), name).toBe(type === "counter");
    expect(name).not.toMatch(/milliseconds|minutes|kilobytes|_ms(_|$)/);
  }
});

test("the process tells its version, its processor time, its memory and the event loop's delay", async () => {
  const metrics = new Metrics("shop", () => []);
  await metrics.text();
  const before = await scrape(metrics);
  for (const name of ["process_resident_memory_bytes", "process_open_fds"]) {
    expect(before.get(`${name} app_id=shop`), name).toBeGreaterThan(0);
  }
  const started = before.get("process_start_time_seconds app_id=shop") ?? 0;
  expect(Math.abs(started - (Date.now() / 1000 - process.uptime()))).toBeLessThan(5);
  const info = `cufflink_build_info app_id=shop dapr_version=${daprVersion} node_version=${process.version} version=${version}`;
  expect(before.get(info)).toBe(1);
  const blocked = performance.now() + 300;
  await new Promise((resolve) => setTimeout(resolve, 50));
  while (performance.now() < blocked);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const after = await scrape(metrics);
  expect(after.get("nodejs_eventloop_lag_max_seconds app_id=shop")).toBeGreaterThan(0.1);
  const cpu = "process_cpu_seconds_total app_id=shop";
  expect(after.get(cpu)).toBeGreaterThan(before.get(cpu) ?? 0);
});

test("an idle output costs one line, an idle input two", async () => {
  const idle = (name: string, input: boolean): ComponentStatus => ({
    ...{ ...component, name, state: "running", inFlight: 0, waiting: 0, handled: 0, backlog: 0 },
    ...{ endedOtherwise: noEnds, calls: { inFlight: 0, invocations: 0, failures: 0, time: 0 } },
    directions: { input, output: !input },
  });
  const lines = async (count: number, input: boolean): Promise<number> => {
    const components = Array.from({ length: count }, (_, index) => idle(`store-${index}`, input));
    const metrics = new Metrics("shop", () => components);
    await metrics.text();
    return (await metrics.text()).split("\n").length;
  };
  const output = (await lines(30, false)) - (await lines(1, false));
  const input = (await lines(30, true)) - (await lines(1, true)) - 29;
  expect({ output, input }).toEqual({ output: 29, input: 29 });
});

test("each metric is in docs/metrics.md, and no other", async () => {
  const page = readFileSync(join(import.meta.dirname, "../../docs/metrics.md"), "utf8");
  const documented = [
    ...page.matchAll(/^\| `((?:dapr|cufflink|process|nodejs)_[a-z0-9_]+)`/gm),
  ].map(([, name]) => name);
  const metrics = fullMetrics();
  // The event loop's delay is told from the second page on.
  await metrics.text();
  const text = await metrics.text();
  const written = [...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name);
  expect(new Set(documented)).toEqual(new Set(written));
  expect(documented).toHaveLength(written.length);
});

test("the page is served at /metrics", async () => {
  const metrics = new Metrics("shop", () => [component]);
  const server = createMetricsServer(metrics);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const { port } = server.address() as { port: number };
    const page = await fetch(`http://127.0.0.1:${port}/metrics`);
    expect(page.headers.get("content-type")).toContain("text/plain");
    expect(await page.text()).toContain("cufflink_events_in_flight");
    expect((await fetch(`http://127.0.0.1:${port}/elsewhere`)).status).toBe(404);
  } finally {
    server.close();
    server.closeAllConnections();
  }
});

test("a page of many components is made in slices, between which others have their turn", async () => {
  const components = Array.from({ length: 300 }, (_, index) => ({
    ...component,
    name: `component-${index}`,
  }));
  const metrics = new Metrics("shop", () => components);
  for (const { name } of components) {
    for (const operation of ["create", "get", "delete", "list"])
      metrics.invoked(name, operation, undefined, 1);
    metrics.attempted(name, "handled", 1);
  }
  let turns = 0;
  let isOver = false;
  const turn = (): void => {
    turns++;
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  const families = await metrics.collect();
  const collected = turns;
  const page = await bytesOfPieces(prometheusText(families, { app_id: "shop" }));
  isOver = true;
  expect(collected).toBeGreaterThan(2);
  expect(turns - collected).toBeGreaterThan(2);
  const last =
    'cufflink_event_attempt_duration_seconds_count{app_id="shop",component="component-299"';
  expect(
    page
      .toString()
      .split("\n")
      .some((line) => line.startsWith(last)),
  ).toBe(true);
});
