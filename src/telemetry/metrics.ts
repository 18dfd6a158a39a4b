import { createServer, type Server } from "node:http";
import type { Outcome } from "../runtime/app.ts";
import type { Observer } from "../runtime/observer.ts";
import { componentStates, type ComponentStatus } from "../runtime/status.ts";
import { Exposition, expositionType, Histogram, type Labels } from "./exposition.ts";

/** Milliseconds, as Dapr's own latency buckets. */
const bounds = [
  1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 30, 40, 50, 65, 80, 100, 130, 160, 200, 250, 300, 400,
  500, 650, 800, 1000, 2000, 5000, 10_000,
];

type Output = { component: string; operation: string; succeeded: Histogram; failed: Histogram };
type Input = { succeeded: Histogram; failed: Histogram; counts: Record<Outcome["kind"], number> };

const gauges: readonly {
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

/** Prometheus metrics: Dapr's names for bindings, and ours beside them. Counting is cheap; the page is written when it is asked for. */
export class Metrics implements Observer {
  readonly #appId: string;
  readonly #components: () => readonly ComponentStatus[];
  /** By component, then by operation. */
  readonly #outputs = new Map<string, Map<string, Output>>();
  readonly #inputs = new Map<string, Input>();

  constructor(appId: string, components: () => readonly ComponentStatus[]) {
    this.#appId = appId;
    this.#components = components;
  }

  invoked(component: string, operation: string, error: unknown, milliseconds: number): void {
    let operations = this.#outputs.get(component);
    if (operations === undefined) this.#outputs.set(component, (operations = new Map()));
    let output = operations.get(operation);
    if (output === undefined) {
      output = {
        component,
        operation,
        succeeded: new Histogram(bounds),
        failed: new Histogram(bounds),
      };
      operations.set(operation, output);
    }
    (error === undefined ? output.succeeded : output.failed).observe(milliseconds);
  }

  attempted(component: string, outcome: Outcome["kind"], milliseconds: number): void {
    let input = this.#inputs.get(component);
    if (input === undefined) {
      const counts = { handled: 0, refused: 0, dropped: 0, "not attempted": 0, unsent: 0 };
      input = { succeeded: new Histogram(bounds), failed: new Histogram(bounds), counts };
      this.#inputs.set(component, input);
    }
    input.counts[outcome]++;
    if (outcome === "handled") input.succeeded.observe(milliseconds);
    else if (outcome === "refused" || outcome === "dropped") input.failed.observe(milliseconds);
  }

  ended(): void {}

  redriven(): void {}

  stateChanged(): void {}

  /** The text that Prometheus scrapes. */
  text(): string {
    const page = new Exposition();
    this.#writeOutputs(page);
    this.#writeInputs(page);
    this.#writeComponents(page);
    return page.toString();
  }

  /** A server for `/metrics`, to be bound by the caller. */
  server(): Server {
    return createServer((request, response) => {
      const path = (request.url ?? "").split("?", 1)[0];
      if (path !== "/metrics" && path !== "/") {
        response.writeHead(404).end();
        return;
      }
      response.writeHead(200, { "content-type": expositionType }).end(this.text());
    });
  }

  #writeOutputs(page: Exposition): void {
    const series = [...this.#outputs.values()].flatMap((operations) =>
      [...operations.values()].flatMap(({ component, operation, succeeded, failed }) =>
        bySuccess(succeeded, failed, { app_id: this.#appId, component, operation }),
      ),
    );
    writeSeries(page, "dapr_component_output_binding", "Invocations of output bindings", series);
  }

  #writeInputs(page: Exposition): void {
    const series = [...this.#inputs].flatMap(([component, { succeeded, failed }]) =>
      bySuccess(succeeded, failed, { app_id: this.#appId, component }),
    );
    writeSeries(
      page,
      "dapr_component_input_binding",
      "Events that the app was asked to handle",
      series,
    );
    const name = "cufflink_event_attempts";
    page.metric(name, "counter", "Attempts to have events handled, by outcome.");
    for (const [component, { counts }] of this.#inputs) {
      for (const [outcome, count] of Object.entries(counts)) {
        page.sample(name, { app_id: this.#appId, component, outcome }, count);
      }
    }
  }

  #writeComponents(page: Exposition): void {
    const components = this.#components();
    const labelsOf = ({ name }: ComponentStatus): Labels => ({
      app_id: this.#appId,
      component: name,
    });
    for (const { name, help, value } of gauges) {
      page.metric(name, "gauge", help);
      for (const status of components) page.sample(name, labelsOf(status), value(status));
    }
    const name = "cufflink_component_state";
    page.metric(name, "gauge", "1 for the state that a component is in, 0 for the others.");
    for (const status of components) {
      for (const state of componentStates) {
        const labels = { ...labelsOf(status), type: status.type, state };
        page.sample(name, labels, state === status.state ? 1 : 0);
      }
    }
  }
}

type Series = { readonly labels: Labels; readonly histogram: Histogram };

/** Those that never were are left out. */
function bySuccess(succeeded: Histogram, failed: Histogram, labels: Labels): Series[] {
  return [
    { labels: { ...labels, success: "true" }, histogram: succeeded },
    { labels: { ...labels, success: "false" }, histogram: failed },
  ].filter(({ histogram }) => histogram.count > 0);
}

function writeSeries(
  page: Exposition,
  name: string,
  help: string,
  series: readonly Series[],
): void {
  page.metric(`${name}_count`, "counter", `${help}.`);
  for (const { labels, histogram } of series) page.sample(`${name}_count`, labels, histogram.count);
  page.metric(`${name}_latencies`, "histogram", `${help}: how long they took, in milliseconds.`);
  for (const { labels, histogram } of series)
    page.histogram(`${name}_latencies`, labels, histogram);
}
