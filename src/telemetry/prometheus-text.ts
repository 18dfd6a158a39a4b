import type { Attributes, MetricFamily } from "./metric-model.ts";
import {
  bucketText,
  cumulativeBuckets,
  helpText,
  labelsText,
  pieceLength,
  seriesText,
} from "./text-format.ts";

/** The `content-type` of {@link prometheusText}. */
export const prometheusType = "text/plain; version=0.0.4; charset=utf-8";

/** Prometheus' text format, version 0.0.4, in pieces. `constant`: labels that each series has, first. */
export function* prometheusText(
  families: readonly MetricFamily[],
  constant: Attributes,
): Generator<string> {
  let text = "";
  for (const family of families) {
    const { name, type } = family;
    text += `# HELP ${name} ${helpText(family)}\n`;
    text += `# TYPE ${name} ${type === "info" ? "gauge" : type}\n`;
    for (const point of family.points) {
      const labels = labelsText(constant, point.attributes);
      if ("value" in point) text += `${seriesText(name, labels)} ${point.value}\n`;
      else {
        for (const { le, count } of cumulativeBuckets(family, point))
          text += `${bucketText(name, labels, le)} ${count}\n`;
        text += `${seriesText(`${name}_sum`, labels)} ${point.sum}\n`;
        text += `${seriesText(`${name}_count`, labels)} ${point.count}\n`;
      }
      if (text.length < pieceLength) continue;
      yield text;
      text = "";
    }
  }
  yield text;
}
