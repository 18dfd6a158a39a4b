import type { Attributes, HistogramFamily, HistogramPoint, MetricFamily } from "./metric-model.ts";

/** What both text formats have in common. */

/**
 * A piece of text is as long as this, in characters. Pieces become bytes: as one string that is made of many they would keep the
 * garbage collector busy for longer than all else takes.
 */
export const pieceLength = 16_384;

/** Labels as they stand between braces, those that each series has first. */
export function labelsText(constant: Attributes, attributes: Attributes): string {
  let text = "";
  for (const labels of [constant, attributes]) {
    for (const [label, value] of Object.entries(labels))
      text += `${text === "" ? "" : ","}${label}="${escapeLabel(value)}"`;
  }
  return text;
}

/** A series as it is written, of a name and {@link labelsText}. */
export function seriesText(name: string, labels: string): string {
  return labels === "" ? name : `${name}{${labels}}`;
}

/** The series of a bucket. */
export function bucketText(name: string, labels: string, le: string): string {
  return `${name}_bucket{${labels}${labels === "" ? "" : ","}le="${le}"}`;
}

/** Each bucket with all smaller ones, the last without end. */
export function cumulativeBuckets(
  family: MetricFamily,
  { bounds, counts }: HistogramPoint,
): { readonly le: string; readonly count: number }[] {
  const style = family.type === "histogram" ? family.boundStyle : "plain";
  let count = 0;
  return counts.map((one, index) => {
    count += one;
    const bound = bounds[index];
    return { le: bound === undefined ? "+Inf" : boundText(bound, style), count };
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
  if (!/["\\\n]/.test(text)) return text;
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}
