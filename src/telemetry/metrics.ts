import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { MissedBecause } from "../binding.ts";
import type { Outcome } from "../runtime/app.ts";
import type { Observer } from "../runtime/observer.ts";
import type { DeadLetterManager } from "../runtime/records/dead-letters.ts";
import type { ReloadResult } from "../runtime/component/reload.ts";
import type { ComponentStatus } from "../runtime/status.ts";
import type { Store } from "../store/store.ts";
import { writeComponents } from "./component-metrics.ts";
import type { MemoryBudget } from "../memory/budget.ts";
import { writeMemory } from "./memory-metrics.ts";
import { writeProcess } from "./process-metrics.ts";
import { writeDeadLetters } from "./dead-letter-metrics.ts";
import { Exposition, expositionType, Histogram, type Labels } from "./exposition.ts";

/** Milliseconds, as Dapr's own latency buckets. */
const bounds = [
  1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 30, 40, 50, 65, 80, 100, 130, 160, 200, 250, 300, 400,
  500, 650, 800, 1000, 2000, 5000, 10_000,
];

type Output = { component: string; operation: string; succeeded: Histogram; failed: Histogram };
type Input = { succeeded: Histogram; failed: Histogram; counts: Record<Outcome["kind"], number> };

/** What the page tells of beside components. */
export type MetricsSources = {
  readonly store: Pick<Store, "trouble">;
  readonly deadLetters: Pick<DeadLetterManager, "counts" | "totals">;
  readonly memory: Pick<MemoryBudget, "shares">;
};

type MetricsGate = { admitsRequest(request: IncomingMessage, response: ServerResponse): boolean };

/** The most connections to the page at one time. */
const mostScrapers = 100;
/** How long a page waits for the store to count, in milliseconds. */
const counting = 2000;

/** Prometheus metrics: Dapr's names for bindings, and ours beside them. Counting is cheap; the page is written when it is asked for. */
export class Metrics implements Observer {
  readonly #appId: string;
  readonly #components: () => readonly ComponentStatus[];
  readonly #sources: (() => MetricsSources) | undefined;
  /** By component, then by operation. */
  readonly #outputs = new Map<string, Map<string, Output>>();
  readonly #inputs = new Map<string, Input>();
  /** By component, then by how they ended. */
  readonly #ends = new Map<string, Map<string, number>>();
  /** By component, then by why. */
  readonly #missed = new Map<string, Map<MissedBecause, number>>();
  readonly #leases = new Map<string, { renewed: number; failed: number }>();
  readonly #reloads = new Map<ReloadResult["outcome"], number>();
  readonly #seen = new Set<string>();
  #revision = 0;

  /** `sources`: absent where nothing is stored. */
  constructor(
    appId: string,
    components: () => readonly ComponentStatus[],
    sources?: () => MetricsSources,
  ) {
    this.#appId = appId;
    this.#components = components;
    this.#sources = sources;
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

  ended(component: string, how: string): void {
    let ends = this.#ends.get(component);
    if (ends === undefined) this.#ends.set(component, (ends = new Map()));
    ends.set(how, (ends.get(how) ?? 0) + 1);
  }

  leaseRenewed(component: string, renewed: boolean): void {
    let leases = this.#leases.get(component);
    if (leases === undefined) this.#leases.set(component, (leases = { renewed: 0, failed: 0 }));
    leases[renewed ? "renewed" : "failed"]++;
  }

  missed(component: string, events: number, why: MissedBecause): void {
    let missed = this.#missed.get(component);
    if (missed === undefined) this.#missed.set(component, (missed = new Map()));
    missed.set(why, (missed.get(why) ?? 0) + events);
  }

  /** The manager counts them, those that go to outputs too. */
  redriven(): void {}

  stateChanged(): void {}

  /** Components were applied, at the start or later. */
  reloaded({ revision, outcome }: ReloadResult): void {
    this.#revision = revision;
    this.#reloads.set(outcome, (this.#reloads.get(outcome) ?? 0) + 1);
  }

  /** The text that Prometheus scrapes. What the store does not count in time is left out. */
  async text(): Promise<string> {
    const sources = this.#sources?.();
    const totals = sources && (await withTimeout(sources.deadLetters.totals()));
    const page = new Exposition(this.#seen);
    writeProcess(page, this.#appId);
    this.#writeOutputs(page);
    this.#writeInputs(page);
    writeComponents(page, this.#appId, this.#components());
    this.#writeReloads(page);
    if (sources !== undefined) {
      writeMemory(page, this.#appId, sources.memory);
      writeDeadLetters(page, this.#appId, sources.deadLetters.counts, totals);
      page.metric("cufflink_store_trouble", "gauge", "1 while the store cannot be written.");
      const trouble = sources.store.trouble === undefined ? 0 : 1;
      page.sample("cufflink_store_trouble", { app_id: this.#appId }, trouble);
    }
    return page.toString();
  }

  /** A server for `/metrics`, to be bound by the caller. `gate`: answers those that may not ask. */
  server(gate?: MetricsGate): Server {
    const timeouts = { headersTimeout: 10_000, connectionsCheckingInterval: 5_000 };
    const server = createServer(timeouts, (request, response) => {
      if (gate?.admitsRequest(request, response) === false) return;
      const path = (request.url ?? "").split("?", 1)[0];
      if (path !== "/metrics" && path !== "/") {
        response.writeHead(404).end();
        return;
      }
      void this.text()
        .then((text) => response.writeHead(200, { "content-type": expositionType }).end(text))
        .catch(() => response.destroy());
    });
    server.maxConnections = mostScrapers;
    return server;
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
    const name = "cufflink_event_attempts_total";
    page.metric(name, "counter", "Attempts to have events handled, by outcome.");
    for (const [component, { counts }] of this.#inputs) {
      for (const [outcome, count] of Object.entries(counts)) {
        page.sampleIfEver(name, { app_id: this.#appId, component, outcome }, count);
      }
    }
    const ended = "cufflink_events_ended_total";
    page.metric(ended, "counter", "Events that ended otherwise than handled by the app, by how.");
    for (const [component, ends] of this.#ends) {
      for (const [how, count] of ends)
        page.sample(ended, { app_id: this.#appId, component, how }, count);
    }
    const missed = "cufflink_events_missed_total";
    page.metric(missed, "counter", "Events that never come from their source, by why.");
    for (const [component, counts] of this.#missed) {
      for (const [why, count] of counts)
        page.sample(missed, { app_id: this.#appId, component, why }, count);
    }
    const leases = "cufflink_lease_renewals_total";
    page.metric(leases, "counter", "Leases of held events that were renewed, or could not be.");
    for (const [component, { renewed, failed }] of this.#leases) {
      page.sampleIfEver(leases, { app_id: this.#appId, component, outcome: "renewed" }, renewed);
      page.sampleIfEver(leases, { app_id: this.#appId, component, outcome: "failed" }, failed);
    }
  }

  #writeReloads(page: Exposition): void {
    const revision = "cufflink_reload_revision";
    page.metric(revision, "gauge", "Rises with each reload that changed something.");
    page.sample(revision, { app_id: this.#appId }, this.#revision);
    const name = "cufflink_reloads_total";
    page.metric(name, "counter", "Times that components were applied, the start included.");
    for (const [outcome, count] of this.#reloads)
      page.sample(name, { app_id: this.#appId, outcome }, count);
  }
}

/** What it resolves to, unless it fails or takes too long. */
async function withTimeout<Value>(value: Promise<Value>): Promise<Value | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), counting);
  });
  try {
    return await Promise.race([value, late]);
  } catch {
    // The store says itself what is wrong with it, in the log and as cufflink_store_trouble.
    return undefined;
  } finally {
    clearTimeout(timer);
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
