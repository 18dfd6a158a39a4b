import { mkdir, readFile, writeFile } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import { basename, join } from "node:path";
import { format } from "oxfmt";
import type { RowResult } from "../measure-row.ts";
import { plots } from "./plots.ts";
import { readResults, type Results, resultsFile } from "./results.ts";
import { tables } from "./tables.ts";

const root = join(import.meta.dirname, "../..");
const page = join(root, "docs/performance.md");
const plotFolder = join(root, "docs/performance");
const begin = "<!-- measured by `npm run bench`: begin -->";
const end = "<!-- measured by `npm run bench`: end -->";

/** Renews one row in the results, the tables and the plots. Rows of another machine are dropped. */
export async function save(name: string, result: RowResult): Promise<void> {
  const known = await readResults();
  const machine = machineText();
  const others = known.machine === machine ? known.rows : {};
  const results: Results = { machine, rows: { ...others, [name]: result } };
  const rounded = (_: string, value: unknown): unknown =>
    typeof value === "number" ? Math.round(value * 1000) / 1000 : value;
  await writeFormatted(resultsFile, JSON.stringify(results, rounded, 2));
  const text = await readFile(page, "utf8");
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${page} has lost its two marks`);
  const inside = `${begin}\n\n${tables(results)}\n\n`;
  await writeFormatted(page, text.slice(0, from) + inside + text.slice(to));
  await mkdir(plotFolder, { recursive: true });
  for (const [file, svg] of Object.entries(plots(results))) {
    await writeFile(join(plotFolder, file), svg);
  }
}

function machineText(): string {
  const model = cpus()[0]?.model ?? "unknown";
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length} × ${model}, ${memory} GiB, Node ${process.version}`;
}

async function writeFormatted(path: string, text: string): Promise<void> {
  const { code } = await format(basename(path), text, { printWidth: 100 });
  await writeFile(path, code);
}
