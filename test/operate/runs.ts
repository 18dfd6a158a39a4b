import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Facts } from "./record.ts";

const runsFile = join(import.meta.dirname, "runs.json");
const recordFile = join(import.meta.dirname, "record.json");

/** What came of the tests of one file. */
export type Run = {
  /** From the root of the repository. */
  readonly file: string;
  readonly passed: number;
  /** Titles. */
  readonly failed: readonly string[];
  /** Titles of those that a machine could not run. */
  readonly notRun: readonly string[];
  readonly commit: string;
  /** `YYYY-MM-DD` */
  readonly date: string;
};

/** The last run of each file, by name. */
export function readRuns(): Run[] {
  return existsSync(runsFile) ? (JSON.parse(readFileSync(runsFile, "utf8")) as Run[]) : [];
}

export function writeRuns(runs: readonly Run[]): void {
  const sorted = runs.toSorted((a, b) => (a.file < b.file ? -1 : 1));
  writeFileSync(runsFile, `${JSON.stringify(sorted, null, 2)}\n`);
}

/** The generated part of docs/operate-proofs.md. */
export function markdownRuns(): string {
  const runs = readRuns().map(({ file, passed, failed, notRun, commit, date }) => {
    const rest = [
      ...failed.map((title) => `failed: ${title}`),
      ...notRun.map((title) => `not run: ${title}`),
    ];
    return `| [\`${file}\`](../${file}) | ${passed} | ${rest.map(cell).join("<br>")} | ${commit} | ${date} |`;
  });
  const record = JSON.parse(readFileSync(recordFile, "utf8")) as Record<string, Facts>;
  const facts = Object.entries(record).map(
    ([subject, found]) => `| ${cell(subject)} | ${Object.entries(found).map(fact).join("; ")} |`,
  );
  return [
    "## The last run of each file",
    "| Tests | Passed | Failed or not run | Commit | Date |",
    "| --- | --- | --- | --- | --- |",
    ...runs,
    "",
    "## What they found",
    "| Subject | Found |",
    "| --- | --- |",
    ...facts,
  ].join("\n");
}

function fact([name, value]: [string, Facts[string]]): string {
  const words = name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return cell(`${words}: ${typeof value === "object" ? value.join(", ") : value}`);
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll(/\s+/g, " ");
}
