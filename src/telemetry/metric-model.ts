import type { SpanIds } from "../runtime/observer.ts";

/** What metrics are, in no format: `Metrics.collect` makes these, and the writers of formats and exporters read them. */

/** Label names and values. `app_id` is not among them: see `Metrics.appId`. */
export type Attributes = Readonly<Record<string, string>>;

/**
 * The unit of values, in UCUM as OpenTelemetry writes it. `{event}` and the like say what is counted. Empty for what is 1 or 0,
 * and for numbers of no kind: Prometheus makes a ratio of the unit 1.
 */
export type Unit = "s" | "ms" | "By" | "" | `{${string}}`;

type Described = {
  /** The name in Prometheus' text format: in snake case, with the unit, counters with `_total`, infos with `_info`. */
  readonly name: string;
  /** One sentence. */
  readonly help: string;
  readonly unit: Unit;
  /**
   * The name in OpenTelemetry, which has unit and type beside the name. Default: the name without their suffixes,
   * and `cufflink.` in place of `cufflink_`.
   */
  readonly otelName?: string;
  /** What replaces the metric, which is written by this release only and not exported by OpenTelemetry. */
  readonly replacedBy?: string;
};

/** Counters count up from `since`; gauges go up and down; an info is 1 and tells by its attributes. */
export type NumberDefinition = Described & { readonly type: "counter" | "gauge" | "info" };
export type HistogramDefinition = Described & {
  readonly type: "histogram";
  /** How the text formats write the buckets' bounds. `canonical`: as OpenMetrics recommends, `1.0`; `plain`: `1`. */
  readonly boundStyle: "canonical" | "plain";
};

/** What could not be exported, counted by whoever exports. */
export const telemetryDropped: NumberDefinition = {
  ...{ name: "cufflink_telemetry_dropped_total", type: "counter", unit: "{item}" },
  help: "Spans and data points that did not come to a receiver, by signal.",
};

export type NumberPoint = {
  readonly attributes: Attributes;
  readonly value: number;
  /** When counting began, in milliseconds since 1970. Without a meaning for gauges. */
  readonly since: number;
};

export type HistogramPoint = {
  readonly attributes: Attributes;
  /** The buckets' upper ends, rising and inclusive, in the family's unit. */
  readonly bounds: readonly number[];
  /** How many values are in each bucket and in no smaller one: one more than `bounds`, the last without end. */
  readonly counts: readonly number[];
  readonly sum: number;
  readonly count: number;
  readonly since: number;
  /** At most one for each of `counts`; the array is absent or as long as `counts`. */
  readonly exemplars?: readonly (Exemplar | undefined)[] | undefined;
};

/** One value that a recorded trace tells more of. */
export type Exemplar = SpanIds & {
  /** In the family's unit. */
  readonly value: number;
  /** In milliseconds since 1970. */
  readonly at: number;
};

export type NumberFamily = NumberDefinition & { readonly points: readonly NumberPoint[] };
export type HistogramFamily = HistogramDefinition & { readonly points: readonly HistogramPoint[] };
export type MetricFamily = NumberFamily | HistogramFamily;

/** The words that Prometheus and OpenMetrics have for units. */
const unitWords: Readonly<Partial<Record<Unit, string>>> = { s: "seconds", By: "bytes" };

/** The unit that OpenMetrics names, where the metric's name ends in it; empty: none. */
export function unitWord({ name, unit, type }: MetricFamily): string {
  const word = unitWords[unit] ?? "";
  return word !== "" && familyName({ name, type }).endsWith(`_${word}`) ? word : "";
}

/** The name in OpenMetrics, which counts suffixes of samples out. */
export function familyName({ name, type }: Pick<MetricFamily, "name" | "type">): string {
  if (type === "counter") return name.replace(/_total$/, "");
  return type === "info" ? name.replace(/_info$/, "") : name;
}

/** The name in OpenTelemetry. */
export function otelName(family: MetricFamily): string {
  if (family.otelName !== undefined) return family.otelName;
  const { type, unit, name } = family;
  const base = type === "info" ? name : familyName(family);
  const word = unitWords[unit];
  const bare =
    word !== undefined && base.endsWith(`_${word}`) ? base.slice(0, -word.length - 1) : base;
  return bare.replace(/^cufflink_/, "cufflink.");
}
