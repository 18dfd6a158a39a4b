import { familyName, unitWord } from "./metric-model.ts";
import type { Attributes, Exemplar, MetricFamily } from "./metric-model.ts";
import {
  bucketText,
  cumulativeBuckets,
  helpText,
  labelsText,
  pieceLength,
  seriesText,
} from "./text-format.ts";

/** The `content-type` of {@link openMetricsText}. */
export const openMetricsType = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/**
 * OpenMetrics 1.0: units, infos, exemplars. The series have the same names as in Prometheus' format, so that a server
 * may ask for either. In pieces. `constant`: labels that each series has, first.
 */
export function* openMetricsText(
  families: readonly MetricFamily[],
  constant: Attributes,
): Generator<string> {
  let text = "";
  for (const family of families) {
    const name = familyName(family);
    text += `# TYPE ${name} ${typeOf(family)}\n`;
    const unit = unitWord(family);
    if (unit !== "") text += `# UNIT ${name} ${unit}\n`;
    text += `# HELP ${name} ${escapeHelp(helpText(family))}\n`;
    for (const point of family.points) {
      const labels = labelsText(constant, point.attributes);
      if ("value" in point) text += `${seriesText(family.name, labels)} ${point.value}\n`;
      else {
        for (const [index, { le, count }] of cumulativeBuckets(family, point).entries()) {
          const exemplar = exemplarText(point.exemplars?.[index]);
          text += `${bucketText(name, labels, le)} ${count}${exemplar}\n`;
        }
        text += `${seriesText(`${name}_count`, labels)} ${point.count}\n`;
        text += `${seriesText(`${name}_sum`, labels)} ${point.sum}\n`;
      }
      if (text.length < pieceLength) continue;
      yield text;
      text = "";
    }
  }
  yield `${text}# EOF\n`;
}

/** A counter that does not end in `_total`, as one of Dapr's, is none in OpenMetrics. */
function typeOf({ type, name }: MetricFamily): string {
  return type === "counter" && !name.endsWith("_total") ? "unknown" : type;
}

function exemplarText(exemplar: Exemplar | undefined): string {
  if (exemplar === undefined) return "";
  const { traceId, spanId, value, at } = exemplar;
  return ` # {trace_id="${traceId}",span_id="${spanId}"} ${value} ${(at / 1000).toFixed(3)}`;
}

function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}
