import { rows } from "../rows/index.ts";
import { type ContenderName, measures, type Requirement, type Row } from "../rows/row.ts";
import type { RowResult } from "../measure-row.ts";
import { cell, requirementText, titleOf, verdictText } from "./lines.ts";
import type { Results } from "./results.ts";

/** What stands between the marks of docs/performance.md. */
export function tables(results: Results): string {
  const measured = rows.flatMap((row) => {
    const result = results.rows[row.name];
    return result === undefined ? [] : [{ row, result }];
  });
  return [
    `Measured on ${results.machine}. Medians of the rounds. With which command, when, and how busy the machine was before: see [the runs](#the-runs).`,
    "",
    ...markdown(
      ["Row", "Measure", "Cufflink", "daprd", "Floor", "Other", "Required", "Reached", ""],
      measured.flatMap(({ row, result }) => requirementRows(row, result)),
    ),
    "",
    "### All figures",
    "",
    ...markdown(
      [
        "Row",
        "",
        "Rate",
        "CPU per operation",
        "CPU of the app",
        "Latency p50 / p90 / p99",
        "Again / out of order",
      ],
      measured.flatMap(({ row, result }) => figureRows(row, result)),
    ),
    "",
    "### The runs",
    "",
    ...markdown(
      ["Row", "Command", "When (UTC)", "Rounds", "Load average before"],
      measured.map(({ row, result }) => [
        `\`${row.name}\``,
        `\`${result.command}\``,
        result.date,
        String(result.rounds),
        result.loadAverageBefore.toFixed(1),
      ]),
    ),
    ...failures(measured),
  ].join("\n");
}

type Measured = { readonly row: Row; readonly result: RowResult };

function requirementRows(row: Row, result: RowResult): string[][] {
  const has = (name: ContenderName): boolean => row.contenders.includes(name);
  return row.requirements.map((requirement) => {
    const { contender, measure } = requirement;
    const of = (name: ContenderName): string => (has(name) ? cell(result, name, measure) : "–");
    const way = contender === "cufflink" ? "" : `, ${titleOf(contender).replace("Cufflink, ", "")}`;
    return [
      `${row.title}${way}`,
      measures[measure].title,
      cell(result, contender, measure),
      of("daprd"),
      of("floor"),
      otherCell(result, requirement),
      requirementText(requirement),
      ...verdictText(result, requirement),
    ];
  });
}

/** The figure of whom the row is measured beside, where it is neither daprd nor the floor. */
function otherCell(result: RowResult, { of, measure }: Requirement): string {
  if (of === undefined || of === "daprd" || of === "floor") return "–";
  return `${titleOf(of)}: ${cell(result, of, measure)}`;
}

function figureRows(row: Row, result: RowResult): string[][] {
  return row.contenders
    .filter((name) => result.values[name]?.rate?.length || result.values[name]?.p50?.length)
    .map((name) => {
      const at =
        row.latencyRate === undefined ? "" : ` at ${row.latencyRate.toLocaleString("en-US")}/s`;
      const latency = (["p50", "p90", "p99"] as const)
        .map((measure) => cell(result, name, measure).replace(" ms", ""))
        .join(" / ");
      return [
        `\`${row.name}\``,
        titleOf(name),
        cell(result, name, "rate"),
        cell(result, name, "cpu"),
        name === "floor" ? "–" : cell(result, name, "appCpu"),
        latency.includes("–") ? "–" : `${latency} ms${at}`,
        ["duplicates" as const, "outOfOrder" as const]
          .map((measure) => total(result.values[name]?.[measure]))
          .join(" / "),
      ];
    });
}

/** Over all rounds. */
function total(values: readonly number[] | undefined): string {
  return values === undefined ? "–" : String(values.reduce((sum, value) => sum + value, 0));
}

function failures(measured: readonly Measured[]): string[] {
  const lines = measured.flatMap(({ row, result }) =>
    Object.entries(result.failures).map(
      ([name, why]) =>
        `- \`${row.name}\`, ${titleOf(name as ContenderName)}: ${why.split("\n")[0]}`,
    ),
  );
  return lines.length === 0 ? [] : ["", "### What failed", "", ...lines];
}

function markdown(head: readonly string[], lines: readonly (readonly string[])[]): string[] {
  return [head, head.map(() => "---"), ...lines].map((line) => `| ${line.join(" | ")} |`);
}
