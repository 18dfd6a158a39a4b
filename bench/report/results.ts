import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { RowResult } from "../measure-row.ts";

export const resultsFile = join(import.meta.dirname, "../results.json");

/** All rows that were measured, by name, and what they were measured on. */
export type Results = {
  readonly machine: string;
  readonly rows: Record<string, RowResult>;
};

/** What was measured before. Rejects where the file is of another form. */
export async function readResults(): Promise<Results> {
  return JSON.parse(await readFile(resultsFile, "utf8")) as Results;
}
