import { rows } from "../rows/index.ts";
import type { ContenderName, Measure } from "../rows/row.ts";
import { type Bar, barChart, type BarGroup } from "./bar-chart.ts";
import { medianOf } from "./evaluate.ts";
import { figure, titleOf } from "./lines.ts";
import type { Results } from "./results.ts";

const colors: Record<ContenderName, string> = {
  cufflink: "#0b6e4f",
  "cufflink-unary": "#5aa786",
  "cufflink-batch": "#5aa786",
  "cufflink-stream": "#0b6e4f",
  "cufflink-forgetful": "#5aa786",
  "cufflink-lazy": "#0b6e4f",
  "cufflink-opened": "#5aa786",
  "cufflink-sqlite": "#0b6e4f",
  "cufflink-nats": "#5aa786",
  "cufflink-relay": "#5aa786",
  "cufflink-1": "#5aa786",
  "cufflink-2": "#5aa786",
  "cufflink-3": "#5aa786",
  "cufflink-workers": "#3c78a8",
  before: "#5aa786",
  daprd: "#c2571a",
  "grpc-go": "#4d7ea8",
  client: "#8d6a9f",
  floor: "#9aa0a6",
};

/** The plots by file name, of what was measured so far. */
export function plots(results: Results): Record<string, string> {
  const medians = "Medians. 1 KiB payloads. floor: the raw driver in Node, or bare node:http2";
  return {
    "cpu.svg": barChart("CPU per operation, µs (less is better)", medians, groups(results, "cpu")),
    "rate.svg": barChart("Operations a second (more is better)", medians, groups(results, "rate")),
    "latency.svg": barChart(
      "Latency at a fixed rate, ms (less is better)",
      "Medians of p50 (solid) and p99 (pale), from the moment each operation was meant to be sent",
      groups(results, "p50", "p99"),
    ),
  };
}

function groups(results: Results, measure: Measure, upTo?: Measure): BarGroup[] {
  return rows.flatMap((row) => {
    const result = results.rows[row.name];
    if (result === undefined) return [];
    const bars = row.contenders.flatMap((contender): Bar[] => {
      const value = medianOf(result, contender, measure);
      const far = upTo === undefined ? undefined : medianOf(result, contender, upTo);
      if (value === undefined) return [];
      const texts = [figure(measure, value), ...(upTo && far ? [figure(upTo, far)] : [])];
      const bar = { label: titleOf(contender), color: colors[contender], value };
      return [{ ...bar, text: texts.join(" / "), ...(far && { upTo: far }) }];
    });
    return bars.length === 0 ? [] : [{ label: row.name, bars }];
  });
}
