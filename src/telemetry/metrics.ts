import type { FleetObserver } from "../fleet/description.ts";
import type { ReloadResult } from "../runtime/component/reload.ts";
import type { DeadLetterManager } from "../runtime/records/dead-letters.ts";
import type { Concurrency } from "../runtime/concurrency.ts";
import type { ComponentStatus } from "../runtime/status.ts";
import type { Store } from "../store/store.ts";
import { labelValue, writeCalls } from "./call-metrics.ts";
import { Collection, SeriesMemory } from "./collection.ts";
import { ComponentCounts } from "./component-counts.ts";
import { writeComponents } from "./component-metrics.ts";
import { writeDeadLetters } from "./dead-letter-metrics.ts";
import { writeFleet } from "./fleet-metrics.ts";
import { writeMemory, type MemoryUse } from "./memory-metrics.ts";
import type { MetricFamily, NumberDefinition } from "./metric-model.ts";
import { writeProcess } from "./process-metrics.ts";
import { bytesOfPieces, Slices } from "./slices.ts";
import { prometheusText } from "./prometheus-text.ts";

/** What the metrics tell of beside components. */
export type MetricsSources = {
  readonly store: Pick<Store, "trouble">;
  readonly deadLetters: Pick<DeadLetterManager, "counts" | "totals">;
  readonly memory: MemoryUse;
  /** What limits the events that the app has at one time, of all components together. */
  readonly concurrency: Pick<Concurrency, "used" | "limit">;
  /** Absent: this process has its store alone. */
  readonly fleet?: Pick<FleetObserver, "describe" | "owns"> | undefined;
};

export type MetricsOptions = {
  /** Write renamed metrics also under the names that they had in the release before. Default true. */
  readonly deprecated?: boolean;
};

export type Collecting = {
  /** Who asks: what is told "since the collection before" is told to each by itself. Default `page`. */
  readonly collector?: string;
  /** As {@link MetricsOptions.deprecated}, which is the default. */
  readonly deprecated?: boolean;
};

/** How long a collection waits for the store to count, in milliseconds. */
const counting = 2000;

const revisions: NumberDefinition = {
  ...{ name: "cufflink_reload_revision", type: "gauge", unit: "" },
  help: "Rises with each reload that changed something.",
};
const reloads: NumberDefinition = {
  ...{ name: "cufflink_config_reloads_total", type: "counter", unit: "{reload}" },
  help: "Times that components were applied, the start included, by outcome.",
};
const oldReloads: NumberDefinition = {
  ...{ name: "cufflink_reloads_total", type: "counter", unit: "{reload}" },
  help: "Times that components were applied, the start included.",
  replacedBy: reloads.name,
};
const appInFlight: NumberDefinition = {
  ...{ name: "cufflink_app_events_in_flight", type: "gauge", unit: "{event}" },
  help: "Events of all components that the app has, where their number is limited.",
};
const appInFlightLimit: NumberDefinition = {
  ...{ name: "cufflink_app_events_in_flight_limit", type: "gauge", unit: "{event}" },
  help: "The most events of all components that the app may have at one time.",
};
const trouble: NumberDefinition = {
  ...{ name: "cufflink_store_trouble", type: "gauge", unit: "" },
  help: "1 while the store cannot be written.",
};

/**
 * All metrics: Dapr's names for bindings, and ours beside them. Counting is cheap; everything else is done when the metrics
 * are asked for. Every format and exporter is written from {@link Metrics.collect}.
 */
export class Metrics extends ComponentCounts {
  /** The label `app_id` of every series; the name of the service in OpenTelemetry. */
  readonly appId: string;
  readonly #components: () => readonly ComponentStatus[];
  readonly #sources: (() => MetricsSources) | undefined;
  readonly #deprecated: boolean;
  readonly #began = Date.now();
  /** By collector. */
  readonly #memories = new Map<string, SeriesMemory>();
  readonly #reads: ((deprecated: boolean) => Promise<(page: Collection) => void>)[] = [];
  readonly #more: ((page: Collection) => void)[] = [];
  readonly #reloads: Record<ReloadResult["outcome"], number> = {
    ...{ applied: 0, unchanged: 0, "partly applied": 0, refused: 0 },
  };
  #revision = 0;

  /** `sources`: absent where nothing is stored. */
  constructor(
    appId: string,
    components: () => readonly ComponentStatus[],
    sources?: () => MetricsSources,
    { deprecated = true }: MetricsOptions = {},
  ) {
    super();
    this.appId = appId;
    this.#components = components;
    this.#sources = sources;
    this.#deprecated = deprecated;
  }

  /** Components were applied, at the start or later. */
  reloaded({ revision, outcome }: ReloadResult): void {
    this.#revision = revision;
    this.#reloads[outcome]++;
  }

  /** Has `read` end before each collection, which it is told of as {@link add} says. */
  addRead(read: (deprecated: boolean) => Promise<(page: Collection) => void>): void {
    this.#reads.push(read);
  }

  /** Has `write` take part in each collection. */
  add(write: (page: Collection) => void): void {
    this.#more.push(write);
  }

  /** All metrics, of each component at one moment, in slices between which others have their turn. What the store does not count in time is left out. */
  async collect({ collector = "page", deprecated = this.#deprecated }: Collecting = {}): Promise<
    readonly MetricFamily[]
  > {
    const sources = this.#sources?.();
    const totals = sources && (await withTimeout(sources.deadLetters.totals()));
    const all = sources?.fleet && (await withTimeout(sources.fleet.describe()));
    const read = await Promise.all(this.#reads.map((one) => one(deprecated)));
    const components = this.#components();
    this.forget(new Set(components.map(({ name }) => name)));
    const page = new Collection(this.#memoryOf(collector));
    writeProcess(page, collector);
    const slices = new Slices();
    await writeCalls(page, this, { deprecated, slices });
    await writeComponents(page, components, { deprecated, slices });
    this.#writeReloads(page, deprecated);
    if (sources !== undefined) {
      writeMemory(page, sources.memory);
      writeDeadLetters(page, sources.deadLetters.counts, totals);
      if (sources.fleet !== undefined) writeFleet(page, components, sources.fleet, all);
      page.number(trouble, {}, sources.store.trouble === undefined ? 0 : 1);
      const { used, limit } = sources.concurrency;
      if (Number.isFinite(limit)) {
        page.number(appInFlight, {}, used);
        page.number(appInFlightLimit, {}, limit);
      }
    }
    for (const write of [...read, ...this.#more]) write(page);
    return page.end();
  }

  /** What was counted here, for a {@link Metrics} elsewhere that has `add` of it. */
  async counted(deprecated: boolean): Promise<readonly MetricFamily[]> {
    this.forget(new Set(this.#components().map(({ name }) => name)));
    const page = new Collection(this.#memoryOf("elsewhere"));
    await writeCalls(page, this, { deprecated, slices: new Slices() });
    return page.end();
  }

  /** Prometheus' text format. */
  async text(): Promise<string> {
    const page = prometheusText(await this.collect(), { app_id: this.appId });
    return (await bytesOfPieces(page)).toString();
  }

  #memoryOf(collector: string): SeriesMemory {
    const known = this.#memories.get(collector);
    if (known !== undefined) return known;
    const memory = new SeriesMemory(this.#began);
    this.#memories.set(collector, memory);
    return memory;
  }

  #writeReloads(page: Collection, deprecated: boolean): void {
    page.number(revisions, {}, this.#revision);
    for (const [outcome, count] of Object.entries(this.#reloads)) {
      page.number(reloads, { outcome: labelValue(outcome) }, count);
      if (deprecated) page.numberIfEver(oldReloads, { outcome }, count);
    }
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
