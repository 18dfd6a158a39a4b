import { appendFile, readFile } from "node:fs/promises";
import { loadavg } from "node:os";
import type { Cell, Outcome } from "./cell.ts";
import type { FullScenario } from "./full-scenarios.ts";
import type { Result } from "./scenario.ts";

/** What became of one cell or scenario of the matrix, as a line of a file keeps it. */
export type Entry = {
  readonly source: string;
  /** Of a cell. */
  readonly fault?: string;
  readonly phase?: string;
  /** How the app got its events, where not by unary gRPC. */
  readonly mode?: string;
  /** Of a scenario. */
  readonly scenario?: string;
  readonly figures?: string;
  /** Why it was not run. */
  readonly skipped?: string;
  /** What is wrong; empty: it passed. */
  readonly failures: readonly string[];
  readonly produced?: number;
  readonly lost?: number;
  /** Absent where no order is promised. */
  readonly reordered?: number;
  readonly duplicates?: number;
  /** The most duplicates that are allowed. */
  readonly bound?: number;
  readonly deadLettered?: number;
  /** Milliseconds. */
  readonly longestDelay?: number;
  readonly recovery?: number;
  /** When it ended, in UTC. */
  readonly date: string;
  /** How long it took. */
  readonly seconds?: number;
  /** The machine's load average when it ended. */
  readonly load?: number;
  /** What was run. */
  readonly command: string;
};

type Run = { readonly began: number; readonly command: string };

export function entryOf(outcome: Outcome, run: Run): Entry {
  const { cell, skipped, failures, verdict, bound, ordered, recovery } = outcome;
  const { source, fault, phase, mode } = cell;
  return {
    ...{ source: source.name, fault: fault.name, phase },
    ...(mode === undefined ? {} : { mode }),
    ...(skipped === undefined ? {} : { skipped }),
    failures: failures.map(firstLine),
    ...(verdict === undefined
      ? {}
      : {
          ...{ produced: verdict.produced, lost: verdict.lost.length },
          ...(ordered === true
            ? { reordered: verdict.reordered.length + verdict.rewound.length }
            : {}),
          ...{ duplicates: verdict.duplicates, bound, deadLettered: verdict.deadLettered },
          ...{ longestDelay: verdict.longestDelay, recovery: recovery ?? 0 },
        }),
    ...circumstances(run),
  };
}

export function scenarioEntryOf(scenario: FullScenario, result: Result, run: Run): Entry {
  const { figures, failures } = result;
  return {
    ...{ source: scenario.source.name, scenario: scenario.name, figures },
    failures: failures.map(firstLine),
    ...circumstances(run),
  };
}

function circumstances({
  began,
  command,
}: Run): Pick<Entry, "date" | "seconds" | "load" | "command"> {
  return {
    date: new Date().toISOString().slice(0, 16).replace("T", " "),
    seconds: Math.round((performance.now() - began) / 1000),
    load: Math.round((loadavg()[0] ?? 0) * 10) / 10,
    command,
  };
}

/** Tells cells and scenarios apart. */
export function nameOf({ source, fault, phase, mode, scenario }: Partial<Entry>): string {
  const parts = [source, fault ?? scenario, phase, mode].filter((part) => part !== undefined);
  return parts.join(", ");
}

export function cellName({ source, fault, phase, mode }: Cell): string {
  return nameOf({ source: source.name, fault: fault.name, phase, ...(mode && { mode }) });
}

/** Adds a line; several runs may do so at one time. */
export async function append(file: string, entry: Entry): Promise<void> {
  await appendFile(file, `${JSON.stringify(entry)}\n`);
}

/** The last entry of each cell and scenario, by its name. No file: none. */
export async function read(file: string): Promise<Map<string, Entry>> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
    throw error;
  });
  const lines = text.split("\n").filter((line) => line !== "");
  const entries = lines.map((line) => JSON.parse(line) as Entry);
  return new Map(entries.map((entry) => [nameOf(entry), entry]));
}

function firstLine(text: string): string {
  return text.split("\n")[0] ?? "";
}
