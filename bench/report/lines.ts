import type { RowResult } from "../measure-row.ts";
import {
  type ContenderName,
  type Measure,
  measures,
  type Requirement,
  type Row,
} from "../rows/row.ts";
import { judge, medianOf } from "./evaluate.ts";

const titles: Record<ContenderName, string> = {
  cufflink: "Cufflink",
  "cufflink-unary": "Cufflink, unary app",
  "cufflink-batch": "Cufflink, batches",
  "cufflink-stream": "Cufflink, stream",
  "cufflink-forgetful": "Cufflink, stream, without history",
  "cufflink-lazy": "Cufflink, lazy",
  "cufflink-opened": "Cufflink, all opened",
  "cufflink-sqlite": "Cufflink, SQLite",
  "cufflink-nats": "Cufflink, NATS",
  "cufflink-relay": "Cufflink, stream, relayed",
  "cufflink-1": "Cufflink, one replica",
  "cufflink-2": "Cufflink, two replicas",
  "cufflink-3": "Cufflink, three replicas",
  "cufflink-workers": "Cufflink, two workers",
  before: "the build before",
  daprd: "daprd",
  "grpc-go": "grpc-go",
  client: "the vendor's client",
  floor: "floor",
};

/** How a contender is called in tables and plots. */
export function titleOf(contender: ContenderName): string {
  return titles[contender];
}

/** A figure with its unit, as tables show it. */
export function figure(measure: Measure, value: number): string {
  const { unit, digits } = measures[measure];
  const number = value.toLocaleString("en-US", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return unit === "" || unit.startsWith("/") ? `${number}${unit}` : `${number} ${unit}`;
}

/** The median of a contender, or why there is none. */
export function cell(result: RowResult, contender: ContenderName, measure: Measure): string {
  const why = result.missing[contender];
  if (why !== undefined) return `not measured: ${why}`;
  if (result.failures[contender] !== undefined) return "failed";
  const value = medianOf(result, contender, measure);
  return value === undefined ? "–" : figure(measure, value);
}

/** `at most 1 × daprd (aim: 0.75)`. */
export function requirementText({ measure, of, atMost, atLeast, aim }: Requirement): string {
  const show = (value: number): string =>
    of === undefined ? figure(measure, value) : `${value} × ${titleOf(of)}`;
  const bound = atMost === undefined ? `at least ${show(atLeast ?? 0)}` : `at most ${show(atMost)}`;
  return aim === undefined ? bound : `${bound} (aim: ${aim} ×)`;
}

/** The ratio or figure that was reached, and whether that is enough. */
export function verdictText(result: RowResult, requirement: Requirement): [string, string] {
  const { reached, met } = judge(result, requirement);
  if (reached === undefined || met === undefined) return ["–", "not known"];
  const { of, measure } = requirement;
  return [
    of === undefined ? figure(measure, reached) : `${reached.toFixed(2)} ×`,
    met ? "met" : "**not met**",
  ];
}

/** A row's requirements as lines of text, for the terminal. */
export function requirementLines(row: Row, result: RowResult): string[] {
  const lines = row.requirements.map((requirement) => {
    const { contender, measure, of } = requirement;
    const figures = row.contenders
      .filter((name) => name === contender || name === of || !name.startsWith("cufflink"))
      .map((name) => `${titleOf(name)} ${cell(result, name, measure)}`)
      .join(", ");
    const [reached, met] = verdictText(result, requirement);
    const must = requirementText(requirement);
    return `  ${measures[measure].title}: ${figures}; must be ${must}: ${reached}, ${met}`;
  });
  const failures = Object.entries(result.failures).map(
    ([name, why]) => `  ${titleOf(name as ContenderName)} FAILED: ${why}`,
  );
  return [row.name, ...lines, ...failures];
}
