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
};

test("outputs are counted and timed under Dapr's names", () => {
  const metrics = new Metrics({ appId: "shop", namespace: "prod" });
  metrics.invoked("store", "create", undefined, 1.5);
  metrics.invoked("store", "create", undefined, 70);
  metrics.invoked("store", "get", new BindingError("not_found", "no"), 2);
  const lines = metrics.render([]).split("\n");
  const labels = 'app_id="shop",component="store",namespace="prod"';
  expect(lines).toContain(`dapr_component_output_binding_count{${labels},operation="create",success="true"} 2`);
  expect(lines).toContain(`dapr_component_output_binding_count{${labels},operation="get",success="false"} 1`);
  const latencies = "dapr_component_output_binding_latencies";
  const create = `${labels},operation="create",success="true"`;
  expect(lines).toContain(`${latencies}_bucket{${create},le="1"} 0`);
  expect(lines).toContain(`${latencies}_bucket{${create},le="2"} 1`);
  expect(lines).toContain(`${latencies}_bucket{${create},le="80"} 2`);
  expect(lines).toContain(`${latencies}_bucket{${create},le="+Inf"} 2`);
  expect(lines).toContain(`${latencies}_sum{${create}} 71.5`);
  expect(lines).toContain(`${latencies}_count{${create}} 2`);
});

test("attempts count as events of the input, but not those that were never sent", () => {
  const metrics = new Metrics({ appId: "shop" });
  metrics.attempted("tick", "handled", 4);
  metrics.attempted("tick", "refused", 4);
  metrics.attempted("tick", "unsent", 0);
  const lines = metrics.render([]).split("\n");
  const labels = 'app_id="shop",component="tick",namespace=""';
  expect(lines).toContain(`dapr_component_input_binding_count{${labels},success="true"} 1`);
  expect(lines).toContain(`dapr_component_input_binding_count{${labels},success="false"} 1`);
  for (const outcome of ["handled", "refused", "unsent"]) {
    expect(lines).toContain(`cufflink_event_attempts_total{${labels},outcome="${outcome}"} 1`);
  }
});

test("components show their state, what is in flight and what waits", () => {
  const metrics = new Metrics({ appId: "shop" });
  metrics.stateChanged("store");
  const lines = metrics.render([component]).split("\n");
  const labels = 'app_id="shop",component="store",namespace=""';
  expect(lines).toContain(`cufflink_events_in_flight{${labels}} 3`);
  expect(lines).toContain(`cufflink_events_waiting{${labels}} 2`);
  expect(lines).toContain(`cufflink_events_handled_total{${labels}} 7`);
  expect(lines).toContain(`cufflink_component_state{${labels},type="bindings.redis",state="waiting_for_app"} 1`);
  expect(lines).toContain(`cufflink_component_state{${labels},type="bindings.redis",state="running"} 0`);
  expect(lines).toContain(`cufflink_component_state_changes_total{${labels}} 1`);
});

test("each family is declared once, before its samples, and every line is well-formed", () => {
  const metrics = new Metrics({ appId: 'a "quoted"\\\nid' });
  metrics.invoked("store", "create", undefined, 1);
  metrics.attempted("tick", "handled", 1);
  const lines = metrics.render([component]).trimEnd().split("\n");
  const declared = lines.filter((line) => line.startsWith("# TYPE ")).map((line) => line.split(" ")[2]!);
  expect(new Set(declared).size).toBe(declared.length);
  let family = "";
  for (const line of lines) {
    if (line.startsWith("# TYPE ")) family = line.split(" ")[2]!;
    if (line.startsWith("#")) continue;
    expect(line).toMatch(/^[a-z_]+(\{([a-z_]+="([^"\\]|\\["\\n])*",?)*\})? -?[0-9.e+-]+$/);
    expect(line.startsWith(family)).toBe(true);
  }
});

test("invented operation names do not fill the memory", () => {
  const metrics = new Metrics({ appId: "shop" });
  for (let number = 0; number < 1000; number++) metrics.invoked("store", `made-up-${number}`, undefined, 1);
  const counts = metrics.render([]).match(/^dapr_component_output_binding_count\{/gm) ?? [];
  expect(counts.length).toBeLessThanOrEqual(101);
  expect(metrics.render([])).toContain('operation="other",success="true"} 900');
});
