import { expect, test } from "vitest";
import { BindingError } from "../../src/errors.ts";
import type { ComponentStatus } from "../../src/runtime/status.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";

const component: ComponentStatus = {
  name: "store",
  type: "bindings.redis",
  version: "v1",
  state: "waiting for app",
  reason: "",
  since: new Date(),
  origin: "",
  directions: { input: true, output: true },
  operations: ["create"],
  inFlight: 3,
  waiting: 2,
  handled: 7,
  failedAttempts: 1,
  required: false,
  readiness: "optional",
  paused: undefined,
  rebuilds: 0,
  backlog: undefined,
};

/** The samples by name and labels, whatever order the labels are in. */
function scrape(metrics: Metrics): Map<string, number> {
  const samples = new Map<string, number>();
  for (const line of metrics.text().split("\n")) {
    const match = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (match === null) continue;
    const labels = [...(match[2] ?? "").matchAll(/(\w+)="([^"]*)"/g)].map(
      ([, name, value]) => `${name}=${value}`,
    );
    samples.set([match[1], ...labels.sort()].join(" "), Number(match[3]));
  }
  return samples;
}

test("outputs are counted and timed under Dapr's names", () => {
  const metrics = new Metrics("shop", () => []);
  metrics.invoked("store", "create", undefined, 1.5);
  metrics.invoked("store", "create", undefined, 70);
  metrics.invoked("store", "get", new BindingError("not_found", "no"), 2);
  const samples = scrape(metrics);
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

test("attempts count as events of the input, but not those that were never sent", () => {
  const metrics = new Metrics("shop", () => []);
  metrics.attempted("tick", "handled", 4);
  metrics.attempted("tick", "refused", 4);
  metrics.attempted("tick", "unsent", 0);
  const samples = scrape(metrics);
  for (const success of ["true", "false"]) {
    const name = `dapr_component_input_binding_count app_id=shop component=tick success=${success}`;
    expect(samples.get(name)).toBe(1);
  }
  for (const outcome of ["handled", "refused", "unsent"]) {
    expect(
      samples.get(`cufflink_event_attempts app_id=shop component=tick outcome=${outcome}`),
    ).toBe(1);
  }
});

test("components show their state, what is in flight and what waits, as they are at the scrape", () => {
  let components = [component];
  const metrics = new Metrics("shop", () => components);
  const samples = scrape(metrics);
  const labels = "app_id=shop component=store";
  expect(samples.get(`cufflink_events_in_flight ${labels}`)).toBe(3);
  expect(samples.get(`cufflink_events_waiting ${labels}`)).toBe(2);
  expect(samples.get(`cufflink_events_handled ${labels}`)).toBe(7);
  expect(
    samples.get(`cufflink_component_state ${labels} state=waiting for app type=bindings.redis`),
  ).toBe(1);
  expect(samples.get(`cufflink_component_state ${labels} state=running type=bindings.redis`)).toBe(
    0,
  );
  components = [];
  expect([...scrape(metrics).keys()].filter((name) => name.includes("component=store"))).toEqual(
    [],
  );
});

test("the page is served at /metrics", async () => {
  const metrics = new Metrics("shop", () => [component]);
  const server = metrics.server();
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
