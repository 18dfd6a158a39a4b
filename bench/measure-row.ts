import { Missing } from "./missing.ts";
import type { Bench, Contender, ContenderName, Measure, Row, Sample } from "./rows/row.ts";

/** A row as it was measured. */
export type RowResult = {
  /** The command that made it. */
  readonly command: string;
  readonly date: string;
  /** How busy the machine was before the command began. */
  readonly loadAverageBefore: number;
  readonly rounds: number;
  /** The values of each round, in their order. */
  readonly values: Partial<Record<ContenderName, Partial<Record<Measure, number[]>>>>;
  /** Why a contender was not measured. */
  readonly missing: Partial<Record<ContenderName, string>>;
  /** What went wrong: lost events, failed calls. Its values are not to be trusted. */
  readonly failures: Partial<Record<ContenderName, string>>;
};

/** How rows are measured. */
export type Run = Pick<RowResult, "rounds" | "command" | "loadAverageBefore"> & {
  progress(text: string): void;
};

/** Measures a row: all contenders are opened, then take turns, round by round, each round from another one on. */
export async function measureRow(row: Row, bench: Bench, run: Run): Promise<RowResult> {
  const result: RowResult = {
    command: run.command,
    date: new Date().toISOString().slice(0, 16).replace("T", " "),
    loadAverageBefore: run.loadAverageBefore,
    rounds: run.rounds,
    values: {},
    missing: {},
    failures: {},
  };
  const fail = (name: ContenderName, error: unknown): void => {
    const text = error instanceof Error ? error.message : String(error);
    if (error instanceof Missing) result.missing[name] = text;
    else result.failures[name] = text;
    run.progress(`${row.name}: ${name}: ${error instanceof Missing ? text : `FAILED: ${text}`}`);
  };
  await using opened = new AsyncDisposableStack();
  const contenders = new Map<ContenderName, Contender>();
  for (const name of row.contenders) {
    try {
      contenders.set(name, opened.use(await row.open(name, bench)));
      result.values[name] = {};
    } catch (error) {
      fail(name, error);
    }
  }
  const take = async (name: ContenderName, round: number): Promise<void> => {
    try {
      const sample = await contenders.get(name)!.round();
      note(result.values[name]!, sample);
      run.progress(
        `${row.name}: round ${round + 1} of ${run.rounds}: ${name}: ${sampleText(sample)}`,
      );
    } catch (error) {
      fail(name, error);
      contenders.delete(name);
    }
  };
  for (let round = 0; round < run.rounds; round++) {
    const names = [...contenders.keys()];
    const first = round % Math.max(1, names.length);
    const order = [...names.slice(first), ...names.slice(0, first)];
    if (row.atOnce) await Promise.all(order.map((name) => take(name, round)));
    else for (const name of order) await take(name, round);
  }
  return result;
}

function note(values: Partial<Record<Measure, number[]>>, sample: Sample): void {
  for (const [measure, value] of Object.entries(sample)) {
    (values[measure as Measure] ??= []).push(value);
  }
}

function sampleText(sample: Sample): string {
  return Object.entries(sample)
    .map(([measure, value]) => `${measure} ${Math.round(value * 100) / 100}`)
    .join(", ");
}
