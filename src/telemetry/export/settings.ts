import type { TracingConfiguration } from "../../resources/tracing-configuration.ts";
import type { Sampling } from "../../runtime/trace.ts";
import { attribute } from "./conventions.ts";
import { Environment, quote } from "./environment.ts";
import { namesEndpoint, otlpOf, otlpOfConfiguration, type OtlpSettings } from "./otlp-settings.ts";
import { samplingOf } from "./sampler.ts";

export type ZipkinSettings = {
  readonly kind: "zipkin";
  readonly url: string;
  /** Milliseconds. */
  readonly timeout: number;
};

export type SpanTarget = OtlpSettings | ZipkinSettings | { readonly kind: "log" };

/** How spans are gathered before they are exported. */
export type BatchSettings = {
  /** Milliseconds. */
  readonly delay: number;
  readonly timeout: number;
  /** The most spans that wait. */
  readonly queue: number;
  /** The most spans of one export. */
  readonly batch: number;
};

export type LimitSettings = {
  readonly valueLength: number;
  readonly attributes: number;
  readonly events: number;
  readonly links: number;
  readonly eventAttributes: number;
  readonly linkAttributes: number;
};

export type TraceSettings = {
  readonly sampling: Sampling;
  readonly targets: readonly SpanTarget[];
  readonly batch: BatchSettings;
  readonly limits: LimitSettings;
};

export type MetricSettings = {
  readonly target: OtlpSettings;
  /** Milliseconds between two exports. */
  readonly interval: number;
  /** Milliseconds for one. */
  readonly timeout: number;
};

/** What telemetry is exported; nothing of it is loaded where there is none. */
export type ExportSettings = {
  readonly traces: TraceSettings | undefined;
  readonly metrics: MetricSettings | undefined;
  /** What the exported data are of. */
  readonly resource: Readonly<Record<string, string>>;
  /** What is wrong, or has no effect. */
  readonly warnings: readonly string[];
};

const off: ExportSettings = { traces: undefined, metrics: undefined, resource: {}, warnings: [] };
const usualZipkin = "http://localhost:9411/api/v2/spans";

/**
 * What OpenTelemetry's variables and Dapr's Configuration ask for. Nothing is exported unless one of them names an
 * exporter or an endpoint. Never throws.
 */
export function readExportSettings(
  variables: Readonly<Record<string, string | undefined>>,
  configuration: TracingConfiguration | undefined,
  appId: string,
): ExportSettings {
  const environment = new Environment(variables);
  if (environment.bool("OTEL_SDK_DISABLED")) return off;
  const traces = tracesOf(environment, configuration);
  const metrics = metricsOf(environment);
  if (traces === undefined && metrics === undefined)
    return { ...off, warnings: environment.warnings };
  const resource = resourceOf(environment, appId);
  checkPropagators(environment);
  environment.warnOfOthers();
  return { traces, metrics, resource, warnings: environment.warnings };
}

function tracesOf(
  environment: Environment,
  configuration: TracingConfiguration | undefined,
): TraceSettings | undefined {
  const targets = targetsOf(environment, configuration);
  if (targets.length === 0) return undefined;
  // What daprd records where nothing says how much: all where variables switched it on, else one in 10,000.
  const usual = namesTarget(configuration) ? 0.0001 : 1;
  const sampling = samplingOf(environment, configuration?.samplingRate ?? "", usual);
  const batch = batchOf(environment);
  const limits = limitsOf(environment);
  return sampling && { sampling, targets, batch, limits };
}

function namesTarget(configuration: TracingConfiguration | undefined): boolean {
  if (configuration === undefined) return false;
  const { otel, zipkin, stdout } = configuration;
  return otel !== undefined || zipkin !== "" || stdout;
}

function targetsOf(
  environment: Environment,
  configuration: TracingConfiguration | undefined,
): SpanTarget[] {
  const targets: (SpanTarget | undefined)[] = [];
  const said = environment
    .text("OTEL_TRACES_EXPORTER")
    ?.split(",")
    .map((one) => one.trim());
  if (said?.includes("none")) return [];
  const { otel, zipkin = "", stdout = false } = configuration ?? {};
  if (otel !== undefined) targets.push(otlpOfConfiguration(environment, otel));
  const asked =
    said ?? (otel === undefined && namesEndpoint(environment, "TRACES") ? ["otlp"] : []);
  for (const exporter of asked) {
    if (exporter === "otlp" && otel === undefined) targets.push(otlpOf(environment, "TRACES"));
    else if (exporter === "zipkin" && zipkin === "") targets.push(zipkinOf(environment));
    else if ((exporter === "console" || exporter === "logging") && !stdout)
      targets.push({ kind: "log" });
    else if (!exporters.has(exporter))
      environment.warn(
        `OTEL_TRACES_EXPORTER must be otlp, zipkin, console or none, with commas between several; nothing is exported to ${quote(exporter)}`,
      );
  }
  if (zipkin !== "") targets.push(zipkinOf(environment, zipkin));
  if (stdout) targets.push({ kind: "log" });
  return targets.filter((target) => target !== undefined);
}

const exporters: ReadonlySet<string> = new Set(["otlp", "zipkin", "console", "logging"]);

function zipkinOf(environment: Environment, configured?: string): ZipkinSettings | undefined {
  const said = environment.text("OTEL_EXPORTER_ZIPKIN_ENDPOINT");
  if (configured !== undefined && said !== undefined)
    environment.warn(
      "spec.tracing.zipkin of the Configuration counts, and not OTEL_EXPORTER_ZIPKIN_ENDPOINT",
    );
  const timeout = environment.number("OTEL_EXPORTER_ZIPKIN_TIMEOUT", 10_000, 1);
  const url = configured ?? said ?? usualZipkin;
  if (URL.canParse(url) && /^https?:/i.test(url)) return { kind: "zipkin", url, timeout };
  environment.warn("Zipkin's endpoint is no URL, so that nothing is exported there");
  return undefined;
}

/** Metrics are exported where a variable says so of them: an endpoint for all signals does not. */
function metricsOf(environment: Environment): MetricSettings | undefined {
  const said = environment
    .text("OTEL_METRICS_EXPORTER")
    ?.split(",")
    .map((one) => one.trim());
  const isNamed = environment.text("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT") !== undefined;
  for (const exporter of said ?? []) {
    if (exporter === "otlp" || exporter === "none" || exporter === "prometheus") continue;
    environment.warn(
      `OTEL_METRICS_EXPORTER must be otlp, prometheus or none; nothing is exported to ${quote(exporter)}`,
    );
  }
  if (!(said?.includes("otlp") ?? isNamed)) return undefined;
  const preference = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
  if ((environment.text(preference) ?? "cumulative").toLowerCase() !== "cumulative")
    environment.warn(`${preference}: metrics are cumulative here`);
  const target = otlpOf(environment, "METRICS");
  const interval = environment.number("OTEL_METRIC_EXPORT_INTERVAL", 60_000, 1);
  const timeout = environment.number("OTEL_METRIC_EXPORT_TIMEOUT", Math.min(30_000, interval), 1);
  // The SDK refuses a longer one.
  return target && { target, interval, timeout: Math.min(timeout, interval) };
}

/** Spans that wait, of some kilobytes each: no receiver that is away may take all memory. */
const longestQueue = 65_536;

/** The specification's defaults. */
function batchOf(environment: Environment): BatchSettings {
  const queue = environment.number("OTEL_BSP_MAX_QUEUE_SIZE", 2048, 1, longestQueue);
  const batch = environment.number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", Math.min(512, queue), 1);
  if (batch > queue)
    environment.warn(
      "OTEL_BSP_MAX_EXPORT_BATCH_SIZE is above OTEL_BSP_MAX_QUEUE_SIZE, which counts instead",
    );
  return {
    delay: environment.number("OTEL_BSP_SCHEDULE_DELAY", 5000),
    timeout: environment.number("OTEL_BSP_EXPORT_TIMEOUT", 30_000, 1),
    ...{ queue, batch: Math.min(batch, queue) },
  };
}

function limitsOf(environment: Environment): LimitSettings {
  const limit = (names: string[], otherwise: number): number =>
    environment.optional(names) ?? otherwise;
  const ofSpans = (field: string): string[] => [`OTEL_SPAN_${field}`, `OTEL_${field}`];
  return {
    valueLength: limit(ofSpans("ATTRIBUTE_VALUE_LENGTH_LIMIT"), 4096),
    attributes: limit(ofSpans("ATTRIBUTE_COUNT_LIMIT"), 128),
    events: limit(["OTEL_SPAN_EVENT_COUNT_LIMIT"], 128),
    links: limit(["OTEL_SPAN_LINK_COUNT_LIMIT"], 128),
    eventAttributes: limit(["OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT"], 128),
    linkAttributes: limit(["OTEL_LINK_ATTRIBUTE_COUNT_LIMIT"], 128),
  };
}

function resourceOf(environment: Environment, appId: string): Record<string, string> {
  const attributes = environment.pairs("OTEL_RESOURCE_ATTRIBUTES");
  const name = environment.text("OTEL_SERVICE_NAME") ?? attributes[attribute.serviceName];
  return { ...attributes, [attribute.serviceName]: name ?? appId };
}

/** W3C's contexts are what travels here, and none else. */
function checkPropagators(environment: Environment): void {
  const others = (environment.text("OTEL_PROPAGATORS") ?? "")
    .split(",")
    .map((one) => one.trim())
    .filter((one) => one !== "" && one !== "tracecontext" && one !== "baggage");
  if (others.length > 0)
    environment.warn(
      `OTEL_PROPAGATORS: tracecontext and baggage are what is propagated, and not ${others.join(", ")}`,
    );
}
