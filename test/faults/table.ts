import { readFile, writeFile } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import { basename, join } from "node:path";
import { format } from "oxfmt";
import type { Cell } from "./cell.ts";
import { guaranteeOf } from "./guarantee.ts";
import { allCells } from "./matrix.ts";
import { cellName, nameOf, type Entry } from "./record.ts";

const page = join(import.meta.dirname, "../../docs/reliability.md");
/** How many sources one table shows beside each other. */
const widest = 9;
const begin = "<!-- measured by `npm run test:faults`: begin -->";
const end = "<!-- measured by `npm run test:faults`: end -->";

/** One line of the run's progress. `folder`: where the logs are. */
export function lineOf(entry: Entry, folder: string | undefined): string {
  const { skipped, failures } = entry;
  const name = nameOf(entry);
  if (skipped !== undefined) return `not run  ${name}: ${skipped}`;
  const line = `${name}: ${figuresOf(entry)} (${entry.seconds ?? 0} s)`;
  if (failures.length === 0) return `passed   ${line}`;
  return `FAILED   ${line}\n         ${failures.join("; ")}\n         ${folder ?? ""}`;
}

function figuresOf(entry: Entry): string {
  if (entry.figures !== undefined) return entry.figures;
  if (entry.produced === undefined) return "";
  const { produced, lost, duplicates, bound, reordered = "–", deadLettered = 0 } = entry;
  return [
    `produced ${produced}, lost ${lost}, reordered ${reordered}, duplicates ${duplicates}/${bound}`,
    ...(deadLettered > 0 ? [`dead letters ${deadLettered}`] : []),
    `delay ${seconds(entry.longestDelay)}, recovery ${seconds(entry.recovery)}`,
  ].join(", ");
}

/** A run as Markdown, a line a cell: what became of each, and what was not run and why. */
export function markdownOf(entries: readonly Entry[]): string {
  const head = [
    "| source | fault | phase | app | produced | lost | reordered | duplicates (bound) | dead letters | longest delay | recovery | failed |",
    "| --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
  ];
  const cells = entries.filter((one) => one.scenario === undefined && one.skipped === undefined);
  const rows = cells.toSorted(byName).map((one) => {
    const { source, fault, phase, mode = "grpc", produced, lost, reordered = "–" } = one;
    const duplicates = `${one.duplicates} (${one.bound})`;
    const counts = [produced, lost, reordered, duplicates, one.deadLettered];
    const times = [seconds(one.longestDelay), seconds(one.recovery)];
    return line([source, fault, phase, mode, ...counts, ...times, one.failures.join("; ")]);
  });
  return [...head, ...rows, "", ...scenarioLines(entries), "", ...notRun(entries), ""].join("\n");
}

/** Renews the page: a row for each fault and phase, a column for each source. */
export async function publish(entries: readonly Entry[]): Promise<void> {
  const text = await readFile(page, "utf8");
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${page} has lost its two marks`);
  const whole = `${text.slice(0, from)}${begin}\n\n${summaryOf(entries)}\n\n${text.slice(to)}`;
  const { code } = await format(basename(page), whole, { printWidth: 100 });
  await writeFile(page, code);
}

function summaryOf(entries: readonly Entry[]): string {
  const known = new Map(entries.map((entry) => [nameOf(entry), entry]));
  const all = allCells();
  const sources = [...new Set(all.map(({ source }) => source.name))];
  const rows = Map.groupBy(
    all,
    ({ fault, phase, mode }) =>
      `${fault.name} | ${phase}${mode === undefined ? "" : `, ${mode} app`}`,
  );
  const tableOf = (some: readonly string[]): string[] => [
    line(["Fault", "Phase", ...some]),
    line(["---", "---", ...some.map(() => "---:")]),
    ...[...rows].map(([name, cells]) => {
      const texts = some.map((source) => {
        const cell = cells.find((one) => one.source.name === source);
        return cell === undefined ? "–" : cellText(known.get(cellName(cell)));
      });
      return line([name, ...texts]);
    }),
    "",
  ];
  const parts = Math.ceil(sources.length / widest);
  const tables = Array.from({ length: parts }, (_, at) =>
    tableOf(sources.slice(at * widest, (at + 1) * widest)),
  );
  const run = entries.filter(({ skipped }) => skipped === undefined);
  const cells = run.filter(({ scenario }) => scenario === undefined);
  const open = all.filter((cell) => !known.has(cellName(cell)));
  const sum = (of: (entry: Entry) => number | undefined, some = cells): number =>
    some.reduce((total, entry) => total + (of(entry) ?? 0), 0);
  const lossy = cells.filter((one) => isLossy(one.source));
  const others = cells.filter((one) => !isLossy(one.source));
  const lossyNames = [...new Set(lossy.map(({ source }) => source))].join(", ");
  const dates = run.map(({ date }) => date).sort();
  const loads = run.flatMap(({ load }) => load ?? []);
  const commands = [...new Set(run.map(({ command }) => `\`${command}\``))].sort();
  return [
    `Measured on ${machine()}, from ${dates[0]} to ${dates.at(-1)} (UTC), load average ${Math.min(...loads)} to ${Math.max(...loads)}, by ${commands.join(" and ")}.`,
    `${cells.length} cells: ${sum(({ produced }) => produced)} events, ${sum(({ lost }) => lost, others)} lost, ${sum(({ reordered }) => reordered)} out of order, ${sum(({ duplicates }) => duplicates)} handled twice, ${sum(({ deadLettered }) => deadLettered)} in the dead letters.`,
    ...(lossy.length === 0
      ? []
      : [
          `The sources that are lossy by what they promise (${lossyNames}) lost ${sum(({ lost }) => lost, lossy)} of ${sum(({ produced }) => produced, lossy)}.`,
        ]),
    "A number is how many were handled twice; behind a semicolon how many are in the dead letters, where they were to end; –: no such cell, or not possible (below). In every cell that did not fail, none was lost, unless the source is lossy, and none out of order where order is promised.",
    "",
    ...tables.flat(),
    ...failedLines(cells),
    ...scenarioLines(entries),
    "",
    ...notRun(entries),
    ...(open.length === 0 ? [] : ["", `Not run yet: ${openNames(open)}.`]),
  ].join("\n");
}

function isLossy(source: string): boolean {
  return guaranteeOf(`bindings.${source.split("-", 1).join()}`)?.lossy === true;
}

function cellText(entry: Entry | undefined): string {
  if (entry === undefined) return "not run";
  if (entry.skipped !== undefined) return "–";
  const { failures, duplicates, deadLettered = 0 } = entry;
  if (failures.length > 0) return "**failed**";
  return deadLettered === 0 ? String(duplicates) : `${duplicates}; ${deadLettered}`;
}

function scenarioLines(entries: readonly Entry[]): string[] {
  const scenarios = entries.filter(({ scenario }) => scenario !== undefined);
  if (scenarios.length === 0) return [];
  return [
    line(["Scenario", "Source", "Figures", "Outcome"]),
    line(["---", "---", "---", "---"]),
    ...scenarios.toSorted(byName).map(({ scenario, source, figures, failures }) => {
      const outcome = failures.length === 0 ? "passed" : `**failed: ${failures.join("; ")}**`;
      return line([scenario, source, figures, outcome]);
    }),
  ];
}

/** By fault, for there may be many. */
function openNames(cells: readonly Cell[]): string {
  const faults = Map.groupBy(cells, ({ fault, mode }) =>
    mode === undefined ? fault.name : `${fault.name}, ${mode} app`,
  );
  return [...faults]
    .map(([fault, of]) => {
      const phases = Map.groupBy(of, ({ phase }) => phase);
      const texts = [...phases].map(
        ([phase, some]) => `${phase} (${some.map(({ source }) => source.name).join(", ")})`,
      );
      return `${fault}: ${texts.join(", ")}`;
    })
    .join("; ");
}

function failedLines(cells: readonly Entry[]): string[] {
  const failed = cells.filter(({ failures }) => failures.length > 0).toSorted(byName);
  if (failed.length === 0) return [];
  return [
    "Failed:",
    "",
    ...failed.map((one) => `- ${nameOf(one)}: ${one.failures.join("; ")}`),
    "",
  ];
}

function notRun(entries: readonly Entry[]): string[] {
  const skipped = entries.filter((entry) => entry.skipped !== undefined);
  if (skipped.length === 0) return [];
  const reasons = Map.groupBy(
    skipped.toSorted(byName),
    ({ source, skipped: reason }) => `${source}: ${reason}`,
  );
  const lines = [...reasons].map(([reason, cells]) => {
    const faults = Map.groupBy(cells, ({ fault }) => fault ?? "");
    const names = [...faults].map(
      ([fault, of]) => `${fault} (${of.map(({ phase }) => phase).join(", ")})`,
    );
    return `- ${reason}: ${names.join("; ")}`;
  });
  return ["Not run, and why:", "", ...lines];
}

function line(cells: readonly (string | number | undefined)[]): string {
  return `| ${cells.join(" | ")} |`;
}

function byName(one: Entry, other: Entry): number {
  return nameOf(one) < nameOf(other) ? -1 : 1;
}

function machine(): string {
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length} cores (${cpus()[0]?.model ?? "unknown"}), ${memory} GiB, Node ${process.version}`;
}

function seconds(milliseconds = 0): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}
