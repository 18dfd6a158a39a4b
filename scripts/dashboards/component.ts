import { dashboard, lines, stat, states } from "./panels.ts";
import {
  app,
  attempts,
  invocations,
  ofComponent,
  oneComponent,
  p95,
  quantiles,
  rate,
} from "./queries.ts";

export const componentDashboard = dashboard({
  uid: "cufflink-component",
  title: "Cufflink: one component",
  description: "One component: its state, its invocations and its events.",
  variables: [app, oneComponent],
  rows: [
    {
      row: "State",
      panels: [
        states("State", "The states that the component was in.", [
          {
            expr: `max by (app_id, state) (cufflink_component_state{${ofComponent}})`,
            legend: "{{app_id}} {{state}}",
          },
        ]),
        states(
          "Circuit breakers",
          "The states that the circuit breakers of its policies were in.",
          [
            {
              expr: `max by (app_id, direction, breaker, state) (cufflink_breaker_state{${ofComponent}})`,
              legend: "{{app_id}} {{direction}} {{breaker}} {{state}}",
            },
          ],
          { width: 16, height: 6 },
        ),
        stat(
          "Reconnects because of a stall",
          "In the time that is shown.",
          `sum(increase(cufflink_component_rebuilds_total{${ofComponent}}[$__range])) or vector(0)`,
          { width: 8, height: 6, warnFrom: 1 },
        ),
      ],
    },
    {
      row: "Invocations",
      panels: [
        lines(
          "Invocations",
          "By operation, a second.",
          [
            {
              expr: rate("operation", `${invocations}_count{${ofComponent}}`),
              legend: "{{operation}}",
            },
          ],
          { unit: "reqps", width: 8 },
        ),
        lines(
          "Failures",
          "By operation and reason, a second.",
          [
            {
              expr: rate(
                "operation, error_type",
                `${invocations}_count{${ofComponent},error_type!=""}`,
              ),
              legend: "{{operation}} {{error_type}}",
            },
          ],
          { unit: "reqps", width: 8 },
        ),
        lines(
          "In flight",
          "Invocations that have not ended.",
          [
            {
              expr: `sum by (app_id) (cufflink_invocations_in_flight{${ofComponent}})`,
              legend: "{{app_id}}",
            },
          ],
          { width: 8 },
        ),
        lines(
          "Duration of invocations",
          "With the traces that were recorded.",
          quantiles(invocations, ofComponent),
          { unit: "s", exemplars: true },
        ),
        lines(
          "Duration by operation, p95",
          "95 of 100 invocations were faster.",
          [{ expr: p95("operation", invocations, ofComponent), legend: "{{operation}}" }],
          { unit: "s" },
        ),
      ],
    },
    {
      row: "Events",
      panels: [
        lines(
          "Events by how they ended",
          "Events that were settled a second.",
          [
            {
              expr: rate("outcome", `cufflink_events_settled_total{${ofComponent}}`),
              legend: "{{outcome}}",
            },
          ],
          { unit: "ops", stacked: true },
        ),
        lines(
          "Duration of attempts",
          "From the event's way to the app to its answer, with the traces that were recorded.",
          quantiles(attempts, ofComponent),
          { unit: "s", exemplars: true },
        ),
        lines(
          "In flight, and waiting here",
          "Events with the app, and their limit; events that wait here.",
          [
            { expr: `sum(cufflink_events_in_flight{${ofComponent}})`, legend: "in flight" },
            { expr: `sum(cufflink_events_in_flight_limit{${ofComponent}})`, legend: "limit" },
            { expr: `sum(cufflink_events_waiting{${ofComponent}})`, legend: "waiting" },
          ],
          { width: 8 },
        ),
        lines(
          "Backlog",
          "Events at the source.",
          [{ expr: `sum(cufflink_events_backlog{${ofComponent}})`, legend: "backlog" }],
          { width: 8 },
        ),
        lines(
          "Oldest event",
          "How long the oldest unsettled event has been here.",
          [{ expr: `max(cufflink_events_oldest_age_seconds{${ofComponent}})`, legend: "age" }],
          { unit: "s", width: 8 },
        ),
      ],
    },
  ],
});
