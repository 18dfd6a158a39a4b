import type { Outcome } from "./cell.ts";
import type { FullScenario } from "./full-scenarios.ts";
import type { Verdict } from "./oracle.ts";
import type { Result } from "./scenarios.ts";

/** One line of the run's progress. */
export function lineOf(outcome: Outcome): string {
  const { cell, skipped, failures, folder } = outcome;
  const name = `${cell.source.name}, ${cell.fault.name}, ${cell.phase}`;
  if (skipped !== undefined) return `not run  ${name}: ${skipped}`;
  const numbers = figuresOf(outcome).join(" ");
  if (failures.length === 0) return `passed   ${name}: ${numbers}`;
  return `FAILED   ${name}: ${numbers}\n         ${failures.join("; ")}\n         ${folder ?? ""}`;
}

function figuresOf({ verdict, bound, recovery, ordered }: Outcome): string[] {
  if (verdict === undefined) return [];
  const { produced, lost, duplicates, longestDelay } = verdict;
  return [
    `produced ${produced}, lost ${lost.length},`,
    `duplicates ${duplicates}/${bound}, reordered ${disorder(verdict, ordered)},`,
    `delay ${seconds(longestDelay)}, recovery ${seconds(recovery ?? 0)}`,
  ];
}

/** The whole run as Markdown: what was run, and what was not and why. */
export function tableOf(outcomes: readonly Outcome[], minutes: number): string {
  const run = outcomes.filter(({ skipped }) => skipped === undefined).sort(byName);
  const failed = run.filter(({ failures }) => failures.length > 0);
  const head =
    "| source | fault | phase | produced | lost | reordered | duplicates (bound) | longest delay | recovery |\n| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |";
  const rows = run.map(({ cell, verdict, bound, recovery, failures, ordered }) => {
    const cells =
      verdict === undefined
        ? [failures.join("; "), "", "", "", "", ""]
        : [
            ...[verdict.produced, verdict.lost.length],
            disorder(verdict, ordered),
            `${verdict.duplicates} (${bound})`,
            ...[seconds(verdict.longestDelay), seconds(recovery ?? 0)],
          ];
    const names = [cell.source.name, cell.fault.name, cell.phase];
    return `| ${[...names, ...cells].join(" | ")} |`;
  });
  const summary = `${run.length} cells in ${minutes.toFixed(1)} minutes, ${failed.length} failed.`;
  return [summary, "", head, ...rows, "", "Not run:", "", ...notRun(outcomes), ""].join("\n");
}

function disorder({ reordered, rewound }: Verdict, ordered: boolean | undefined): string {
  return ordered === true ? String(reordered.length + rewound.length) : "–";
}

function notRun(outcomes: readonly Outcome[]): string[] {
  const reasons = Map.groupBy(
    outcomes.filter(({ skipped }) => skipped !== undefined).sort(byName),
    ({ cell, skipped }) => `${cell.source.name}, ${cell.fault.name}: ${skipped}`,
  );
  return [...reasons].map(
    ([reason, cells]) => `- ${reason} (${cells.map(({ cell }) => cell.phase).join(", ")})`,
  );
}

function byName(one: Outcome, other: Outcome): number {
  const name = ({ cell }: Outcome): string => `${cell.source.name} ${cell.fault.name}`;
  return name(one) < name(other) ? -1 : 1;
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}

/** One line of the run's progress. */
export function scenarioLine(
  { name, source }: FullScenario,
  { failures, figures, folder }: Result,
): string {
  const what = `${source.name}, ${name}: ${figures}`;
  if (failures.length === 0) return `passed   ${what}`;
  return `FAILED   ${what}\n         ${failures.join("; ")}\n         ${folder ?? ""}`;
}

/** The scenarios as Markdown. */
export function scenarioTable(
  results: readonly { scenario: FullScenario; result: Result }[],
): string {
  if (results.length === 0) return "";
  const rows = results.map(({ scenario: { name, source }, result: { failures, figures } }) => {
    const outcome = failures.length === 0 ? "passed" : `failed: ${failures.join("; ")}`;
    return `| ${name} | ${source.name} | ${figures} | ${outcome} |`;
  });
  const head = "| scenario | source | figures | outcome |\n| --- | --- | --- | --- |";
  return ["", head, ...rows.sort(), ""].join("\n");
}
