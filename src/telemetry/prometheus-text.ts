import type { Attributes, MetricFamily } from "./metric-model.ts";
import {
  bucketText,
  cumulativeBuckets,
  helpText,
  labelsText,
  LongText,
  seriesText,
} from "./text-format.ts";

/** The `content-type` of {@link prometheusText}. */
export const prometheusType = "text/plain; version=0.0.4; charset=utf-8";

/** Prometheus' text format, version 0.0.4. `constant`: labels that each series has, first. */
export function prometheusText(families: readonly MetricFamily[], constant: Attributes): string {
  const text = new LongText();
  for (const family of families) {
    const { name, type } = family;
    text.add(`# HELP ${name} ${helpText(family)}\n`);
    text.add(`# TYPE ${name} ${type === "info" ? "gauge" : type}\n`);
    if (family.type !== "histogram") {
      for (const { attributes, value } of family.points)
        text.add(`${seriesText(name, labelsText(constant, attributes))} ${value}\n`);
      continue;
    }
    for (const point of family.points) {
      const labels = labelsText(constant, point.attributes);
      for (const { le, count } of cumulativeBuckets(family, point))
        text.add(`${bucketText(name, labels, le)} ${count}\n`);
      text.add(`${seriesText(`${name}_sum`, labels)} ${point.sum}\n`);
      text.add(`${seriesText(`${name}_count`, labels)} ${point.count}\n`);
    }
  }
  return text.toString();
}
