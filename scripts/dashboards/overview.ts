import { dashboard, lines, stat, table } from "./panels.ts";
import { app, attempts, each, invocations, ofApp, p95, rate } from "./queries.ts";

const notRunning = "starting|waiting_for_app|reconnecting|stalled|failed";

export const overviewDashboard = dashboard({
  uid: "cufflink-overview",
  title: "Cufflink: overview",
  description: "Every app with Cufflink: what needs attention, what goes through, what it takes.",
  variables: [app],
  rows: [
    {
      row: "What needs attention",
      panels: [
        stat(
          "Components not running",
          "Components that start, wait for their app, reconnect, are stalled or failed.",
          `sum(max by (app_id, instance, component) (cufflink_component_state{${ofApp},state=~"${notRunning}"})) or vector(0)`,
          { failFrom: 1 },
        ),
        stat(
          "Dead letters",
          "Events that are stored since they could not be handled.",
          `sum(cufflink_dead_letters{${ofApp}}) or vector(0)`,
          { warnFrom: 1 },
        ),
        stat(
          "Oldest event",
          "The longest time that an unsettled event has been here.",
          `max(cufflink_events_oldest_age_seconds{${ofApp}}) or vector(0)`,
          { unit: "s", warnFrom: 60, failFrom: 600 },
        ),
        stat(
          "Backlog",
          "Events at the sources, as far as those tell.",
          `sum(cufflink_events_backlog{${ofApp}}) or vector(0)`,
        ),
        stat(
          "Stores in trouble",
          "Runtimes that cannot write their store.",
          `sum(cufflink_store_trouble{${ofApp}}) or vector(0)`,
          { failFrom: 1 },
        ),
        stat(
          "Failed invocations",
          "The share of invocations that failed.",
          `(sum(rate(${invocations}_count{${ofApp},error_type!=""}[$__rate_interval])) or vector(0)) / sum(rate(${invocations}_count{${ofApp}}[$__rate_interval]))`,
          { unit: "percentunit", warnFrom: 0.01, failFrom: 0.1 },
        ),
        table(
          "Components that are not running",
          "Each component in another state than running, with its state.",
          `max by (app_id, component, type, state) (cufflink_component_state{${ofApp},state!="running"}) == 1`,
          { app_id: "App", component: "Component", type: "Type", state: "State" },
          {
            links: {
              Component:
                "/d/cufflink-component?var-app=${__data.fields.App}&var-component=${__data.fields.Component}",
            },
          },
        ),
      ],
    },
    {
      row: "What goes through",
      panels: [
        lines(
          "Invocations",
          "Invocations of outputs a second.",
          [{ expr: rate("app_id, component", `${invocations}_count{${ofApp}}`), legend: each }],
          { unit: "reqps" },
        ),
        lines(
          "Events",
          "Events that were settled a second, by how they ended.",
          [
            {
              expr: rate("outcome", `cufflink_events_settled_total{${ofApp}}`),
              legend: "{{outcome}}",
            },
          ],
          { unit: "ops", stacked: true },
        ),
        lines(
          "Duration of invocations, p95",
          "95 of 100 invocations were faster.",
          [{ expr: p95("app_id, component", invocations, ofApp), legend: each }],
          { unit: "s" },
        ),
        lines(
          "Duration of attempts, p95",
          "95 of 100 answers of the app were faster.",
          [{ expr: p95("app_id, component", attempts, ofApp), legend: each }],
          { unit: "s" },
        ),
      ],
    },
    {
      row: "What it takes",
      panels: [
        lines(
          "Processor",
          "Processor time a second; 1 is one core.",
          [
            {
              expr: rate("app_id, instance", `process_cpu_seconds_total{${ofApp}}`),
              legend: "{{app_id}} {{instance}}",
            },
          ],
          { width: 8 },
        ),
        lines(
          "Resident memory",
          "Memory of the process.",
          [
            {
              expr: `process_resident_memory_bytes{${ofApp}}`,
              legend: "{{app_id}} {{instance}}",
            },
          ],
          { unit: "bytes", width: 8 },
        ),
        lines(
          "Delay of the event loop, p99",
          "How late the process does its work.",
          [
            {
              expr: `nodejs_eventloop_lag_p99_seconds{${ofApp}}`,
              legend: "{{app_id}} {{instance}}",
            },
          ],
          { unit: "s", width: 8 },
        ),
        lines(
          "Memory for requests and answers",
          "The share of its limit that each holder uses.",
          [
            {
              expr: `cufflink_memory_held_bytes{${ofApp}} / cufflink_memory_limit_bytes{${ofApp}}`,
              legend: "{{app_id}} {{share}}",
            },
          ],
          { unit: "percentunit", width: 8 },
        ),
        lines(
          "Refused for want of memory",
          "Requests and messages that were refused a second.",
          [
            {
              expr: rate("app_id, share", `cufflink_memory_refusals_total{${ofApp}}`),
              legend: "{{app_id}} {{share}}",
            },
          ],
          { width: 8 },
        ),
        lines(
          "Reloads",
          "Times that components were applied, by outcome.",
          [
            {
              expr: `sum by (app_id, outcome) (increase(cufflink_config_reloads_total{${ofApp}}[$__rate_interval]))`,
              legend: "{{app_id}} {{outcome}}",
            },
          ],
          { width: 8 },
        ),
        lines(
          "Telemetry that was dropped",
          "Spans and data points that did not come to a receiver, a second.",
          [
            {
              expr: rate("app_id, signal", `cufflink_telemetry_dropped_total{${ofApp}}`),
              legend: "{{app_id}} {{signal}}",
            },
          ],
          { width: 8 },
        ),
      ],
    },
  ],
});
