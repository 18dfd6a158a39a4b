import { dashboard, lines, states } from "./panels.ts";
import {
  app,
  attempts,
  components,
  each,
  ofApp,
  ofComponent,
  p95,
  quantiles,
  rate,
} from "./queries.ts";

export const deliveryDashboard = dashboard({
  uid: "cufflink-delivery",
  title: "Cufflink: delivery",
  description: "Events on their way to apps: attempts, retries, backlogs, losses and dead letters.",
  variables: [app, components],
  rows: [
    {
      row: "Attempts",
      panels: [
        lines(
          "Attempts by outcome",
          "Answers of the app a second, and events that could not be sent.",
          [{ expr: rate("outcome", `${attempts}_count{${ofComponent}}`), legend: "{{outcome}}" }],
          { unit: "ops", stacked: true },
        ),
        lines(
          "Share of attempts that failed",
          "Of those that the app answered.",
          [
            {
              expr: `${rate("app_id, component", `${attempts}_count{${ofComponent},outcome="refused"}`)} / ${rate("app_id, component", `${attempts}_count{${ofComponent},outcome=~"handled|refused|dropped"}`)}`,
              legend: each,
            },
          ],
          { unit: "percentunit" },
        ),
        lines(
          "Duration of attempts",
          "With the traces that were recorded.",
          quantiles(attempts, ofComponent),
          { unit: "s", exemplars: true },
        ),
        lines(
          "Duration by component, p95",
          "95 of 100 answers of the app were faster.",
          [{ expr: p95("app_id, component", attempts, ofComponent), legend: each }],
          { unit: "s" },
        ),
      ],
    },
    {
      row: "Room",
      panels: [
        lines(
          "In flight, as a share of the limit",
          "At 100 % the app is too slow, or the limit too low.",
          [
            {
              expr: `cufflink_events_in_flight{${ofComponent}} / cufflink_events_in_flight_limit{${ofComponent}}`,
              legend: each,
            },
            {
              expr: `cufflink_app_events_in_flight{${ofApp}} / cufflink_app_events_in_flight_limit{${ofApp}}`,
              legend: "{{app_id}}, all components",
            },
          ],
          { unit: "percentunit", width: 8 },
        ),
        lines(
          "Waiting here",
          "Events that are queued, or wait for a retry.",
          [{ expr: `cufflink_events_waiting{${ofComponent}}`, legend: each }],
          { width: 8 },
        ),
        lines(
          "Backlog at the source",
          "As far as the source tells.",
          [{ expr: `cufflink_events_backlog{${ofComponent}}`, legend: each }],
          { width: 8 },
        ),
        lines(
          "Oldest event",
          "How long the oldest unsettled event has been here.",
          [{ expr: `cufflink_events_oldest_age_seconds{${ofComponent}}`, legend: each }],
          { unit: "s", width: 8 },
        ),
        states(
          "Full windows",
          "When reading paused because the window was full behind an unsettled event.",
          [
            {
              expr: `max by (app_id, component) (cufflink_window_full{${ofComponent}})`,
              legend: each,
            },
          ],
          { width: 8, height: 8 },
        ),
        lines(
          "Leases",
          "Leases of held events that were renewed, and that could not be, a second.",
          [
            {
              expr: rate("outcome", `cufflink_lease_renewals_total{${ofComponent}}`),
              legend: "{{outcome}}",
            },
          ],
          { width: 8 },
        ),
      ],
    },
    {
      row: "Losses and dead letters",
      panels: [
        lines(
          "Events by how they ended",
          "Events that were settled a second, other than handled.",
          [
            {
              expr: rate(
                "app_id, component, outcome",
                `cufflink_events_settled_total{${ofComponent},outcome!="handled"}`,
              ),
              legend: `${each} {{outcome}}`,
            },
          ],
          { unit: "ops", width: 8 },
        ),
        lines(
          "Skipped events",
          "Events that were gone before they were read.",
          [
            {
              expr: `sum by (app_id, component, reason) (cufflink_events_skipped_total{${ofComponent}})`,
              legend: `${each} {{reason}}`,
            },
          ],
          { width: 8 },
        ),
        lines(
          "Stored dead letters",
          "By component.",
          [{ expr: `cufflink_dead_letters{${ofComponent}}`, legend: each }],
          { width: 8 },
        ),
        lines(
          "Size of dead letters",
          "What they take in the store.",
          [{ expr: `cufflink_dead_letters_bytes{${ofComponent}}`, legend: each }],
          { unit: "bytes", width: 8 },
        ),
        lines(
          "Oldest dead letter",
          "How long it has been stored.",
          [{ expr: `cufflink_dead_letters_oldest_age_seconds{${ofComponent}}`, legend: each }],
          { unit: "s", width: 8 },
        ),
        lines(
          "What became of dead letters",
          "Redriven, dropped and expired dead letters a second.",
          [
            {
              expr: rate("outcome", `cufflink_dead_letters_redriven_total{${ofComponent}}`),
              legend: "redriven, {{outcome}}",
            },
            {
              expr: `sum(rate(cufflink_dead_letters_dropped_total{${ofComponent}}[$__rate_interval]))`,
              legend: "dropped",
            },
            {
              expr: `sum(rate(cufflink_dead_letters_expired_total{${ofComponent}}[$__rate_interval]))`,
              legend: "expired",
            },
          ],
          { width: 8 },
        ),
      ],
    },
  ],
});
