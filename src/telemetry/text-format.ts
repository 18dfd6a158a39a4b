import type { Attributes, HistogramFamily, HistogramPoint, MetricFamily } from "./metric-model.ts";

/** What both text formats have in common. */

/** A series as it is written: the name and its labels. */
export function seriesText(name: string, labels: Attributes): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(text)}"`);
  return pairs.length === 0 ? name : `${name}{${pairs.join(",")}}`;
}

/** Each bucket with all smaller ones, the last without end. */
export function cumulativeBuckets(
  { boundStyle }: Pick<HistogramFamily, "boundStyle">,
  { bounds, counts }: HistogramPoint,
): { readonly le: string; readonly count: number }[] {
  let count = 0;
  return counts.map((one, index) => {
    count += one;
    const bound = bounds[index];
    return { le: bound === undefined ? "+Inf" : boundText(bound, boundStyle), count };
  });
}

function boundText(bound: number, style: HistogramFamily["boundStyle"]): string {
  return style === "canonical" && Number.isInteger(bound) ? `${bound}.0` : String(bound);
}

/** The sentence of `# HELP`, for people who meet the metric in a tool. */
export function helpText({ help, replacedBy }: MetricFamily): string {
  if (replacedBy === undefined) return help;
  return `Deprecated, see ${replacedBy}; not in the next release. ${help}`;
}

function escapeLabel(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}
