import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { FleetOutcome, SourceOutcome } from "./cell.ts";

/** What was run: the usual sources, or those of which Kafka is one. */
export type FleetRecord = "record" | "record-kafka";

const fileOf = (record: FleetRecord): string => join(import.meta.dirname, `${record}.json`);

/** The last run of one cell. */
export type FleetEntry = FleetOutcome & {
  /** Why it was not run. */
  readonly notRun?: string;
  readonly seconds: number;
  readonly commit: string;
  /** `YYYY-MM-DD` */
  readonly date: string;
};

/** The last run of each cell, in the order of the cells. */
function readEntries(record: FleetRecord): FleetEntry[] {
  const file = fileOf(record);
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as FleetEntry[]) : [];
}

/** Puts what came of a cell in place of what came of it before. */
export function keep(record: FleetRecord, entry: FleetEntry, order: readonly string[]): void {
  const others = readEntries(record).filter(({ strike }) => strike !== entry.strike);
  const all = [...others, entry].filter(({ strike }) => order.includes(strike));
  all.sort((one, other) => order.indexOf(one.strike) - order.indexOf(other.strike));
  writeFileSync(fileOf(record), `${JSON.stringify(all, null, 2)}\n`);
}

/** The generated part of docs/fleet-proofs.md. */
export function markdownFleet(): string {
  return [
    ...sectionOf("What came of each cell", readEntries("record")),
    "",
    ...sectionOf("What came of each cell with Kafka", readEntries("record-kafka")),
  ].join("\n");
}

function sectionOf(title: string, entries: readonly FleetEntry[]): string[] {
  const rows = entries.flatMap((entry) => [
    ...entry.sources.map((source, index) => sourceRow(index === 0 ? entry.strike : "", source)),
    ...(entry.notRun === undefined
      ? []
      : [`| ${entry.strike} | not run: ${entry.notRun} | | | | | | |`]),
  ]);
  const failed = entries.filter(({ failures }) => failures.length > 0);
  return [
    `## ${title}`,
    "",
    `${entries.length} cells, ${failed.length} failed.`,
    "",
    "| What happened | Source | Events | Lost or missed | Out of order | Duplicates | Dead letters | Longest delay |",
    "| --- | --- | --: | --: | --: | --: | --: | --: |",
    ...rows,
    "",
    ...failed.map(({ strike, failures }) => `- **${strike}**: ${failures.join("; ")}`),
    "",
    "When, and from which commit:",
    "",
    "| What happened | Seed | Seconds | Commit | Date |",
    "| --- | --: | --: | --- | --- |",
    ...entries.map(
      ({ strike, seed, seconds, commit, date }) =>
        `| ${strike} | ${seed} | ${seconds} | ${commit} | ${date} |`,
    ),
  ];
}

function sourceRow(strike: string, outcome: SourceOutcome): string {
  const { source, produced, lost, outOfOrder, duplicates, deadLetters, longestDelay } = outcome;
  const order = outOfOrder ?? "not promised";
  const delay = `${(longestDelay / 1000).toFixed(1)} s`;
  return `| ${strike} | ${source} | ${produced} | ${lost} | ${order} | ${duplicates} | ${deadLetters} | ${delay} |`;
}
