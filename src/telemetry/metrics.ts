import { createServer, type Server } from "node:http";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Observer } from "../runtime/observer.ts";
import { componentStates, type ComponentStatus } from "../runtime/status.ts";

/** Milliseconds, as Dapr's own latency buckets. */
const buckets = [
  1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 30, 40, 50, 65, 80, 100, 130, 160, 200, 250, 300, 400,
  500, 650, 800, 1000, 2000, 5000, 10_000,
];

/** Prometheus metrics: Dapr's names for bindings, and ours beside them. */
export class Metrics implements Observer {
  readonly #registry = new Registry();
  readonly #appId: string;
  readonly #outputs = new Map<string, { succeeded: Done; failed: Done }>();
  readonly #inputs = new Map<string, { handled: Done; refused: Done; unsent: Done }>();
  readonly #outputCount: Counter<"app_id" | "component" | "operation" | "success">;
  readonly #outputLatency: Histogram<"app_id" | "component" | "operation" | "success">;
  readonly #inputCount: Counter<"app_id" | "component" | "success">;
  readonly #inputLatency: Histogram<"app_id" | "component" | "success">;
  readonly #attempts: Counter<"app_id" | "component" | "outcome">;
  readonly #gauges: {
    readonly name: string;
    readonly help: string;
    readonly value: (status: ComponentStatus) => number;
  }[] = [
    {
      name: "cufflink_events_in_flight",
      help: "Events that the app is handling.",
      value: ({ inFlight }) => inFlight,
    },
    {
      name: "cufflink_events_waiting",
      help: "Events received that no request is out for.",
      value: ({ waiting }) => waiting,
    },
    {
      name: "cufflink_events_handled",
      help: "Events handled since the start.",
      value: ({ handled }) => handled,
    },
  ];

  constructor(appId: string, components: () => readonly ComponentStatus[]) {
    this.#appId = appId;
    const registers = [this.#registry];
    this.#outputCount = new Counter({
      name: "dapr_component_output_binding_count",
      help: "Invocations of output bindings.",
      labelNames: ["app_id", "component", "operation", "success"],
      registers,
    });
    this.#outputLatency = new Histogram({
      name: "dapr_component_output_binding_latencies",
      help: "Milliseconds that invocations of output bindings took.",
      labelNames: ["app_id", "component", "operation", "success"],
      buckets,
      registers,
    });
    this.#inputCount = new Counter({
      name: "dapr_component_input_binding_count",
      help: "Events handed to the app by input bindings, by attempt.",
      labelNames: ["app_id", "component", "success"],
      registers,
    });
    this.#inputLatency = new Histogram({
      name: "dapr_component_input_binding_latencies",
      help: "Milliseconds that the app took for an event.",
      labelNames: ["app_id", "component", "success"],
      buckets,
      registers,
    });
    this.#attempts = new Counter({
      name: "cufflink_event_attempts",
      help: "Attempts to have events handled, by outcome: handled, refused, unsent.",
      labelNames: ["app_id", "component", "outcome"],
      registers,
    });
    for (const { name, help, value } of this.#gauges) {
      const gauge: Gauge<"app_id" | "component"> = new Gauge({
        name,
        help,
        labelNames: ["app_id", "component"],
        registers,
        collect: () => {
          gauge.reset();
          for (const status of components())
            gauge.set({ app_id: appId, component: status.name }, value(status));
        },
      });
    }
    const state: Gauge<"app_id" | "component" | "type" | "state"> = new Gauge({
      name: "cufflink_component_state",
      help: "1 for the state that a component is in, 0 for the others.",
      labelNames: ["app_id", "component", "type", "state"],
      registers,
      collect: () => {
        state.reset();
        for (const { name, type, state: current } of components()) {
          for (const one of componentStates) {
            state.set(
              { app_id: appId, component: name, type, state: one },
              one === current ? 1 : 0,
            );
          }
        }
      },
    });
  }

  invoked(component: string, operation: string, error: unknown, milliseconds: number): void {
    const key = `${component}\n${operation}`;
    let output = this.#outputs.get(key);
    if (output === undefined) {
      const of = (success: "true" | "false"): Done => {
        const labels = { app_id: this.#appId, component, operation, success };
        return {
          count: this.#outputCount.labels(labels),
          latency: this.#outputLatency.labels(labels),
        };
      };
      this.#outputs.set(key, (output = { succeeded: of("true"), failed: of("false") }));
    }
    const { count, latency } = error === undefined ? output.succeeded : output.failed;
    count.inc();
    latency.observe(milliseconds);
  }

  attempted(
    component: string,
    outcome: "handled" | "refused" | "unsent",
    milliseconds: number,
  ): void {
    let input = this.#inputs.get(component);
    if (input === undefined) {
      const of = (success: "true" | "false", kind: string): Done => {
        const labels = { app_id: this.#appId, component, success };
        return {
          count: this.#inputCount.labels(labels),
          latency: this.#inputLatency.labels(labels),
          attempts: this.#attempts.labels({ app_id: this.#appId, component, outcome: kind }),
        };
      };
      input = {
        handled: of("true", "handled"),
        refused: of("false", "refused"),
        unsent: of("false", "unsent"),
      };
      this.#inputs.set(component, input);
    }
    const { count, latency, attempts } = input[outcome];
    attempts?.inc();
    if (outcome === "unsent") return;
    count.inc();
    latency.observe(milliseconds);
  }

  stateChanged(): void {}

  /** The text that Prometheus scrapes. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  /** A server for `/metrics`, to be bound by the caller. */
  server(): Server {
    return createServer((request, response) => {
      const path = (request.url ?? "").split("?", 1)[0];
      if (path !== "/metrics" && path !== "/") {
        response.writeHead(404).end();
        return;
      }
      this.text().then(
        (text) => response.writeHead(200, { "content-type": this.#registry.contentType }).end(text),
        () => response.writeHead(500).end(),
      );
    });
  }
}

type Done = {
  readonly count: Counter.Internal;
  readonly latency: Histogram.Internal<string>;
  readonly attempts?: Counter.Internal;
};
