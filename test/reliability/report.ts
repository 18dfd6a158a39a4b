import { execFileSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import { basename, join } from "node:path";
import { format } from "oxfmt";
import { rows } from "./rows.ts";
import type { Contender } from "./runtime.ts";

const root = join(import.meta.dirname, "../..");
const resultsFile = join(import.meta.dirname, "results.json");
const page = join(root, "docs/reliability.md");
const begin = "<!-- measured by `npm run test:reliability`: begin -->";
const end = "<!-- measured by `npm run test:reliability`: end -->";

export const contenderTitles: Record<Contender, string> = {
  cufflink: "Cufflink",
  daprd: "daprd",
  "daprd-tuned": "daprd, tuned",
};

/** One contender in one row. */
export type Cell = {
  readonly text: string;
  /** Whether nothing was lost and nothing came out of order. */
  readonly kept: boolean;
  /** When it was measured, in UTC. */
  readonly date: string;
  /** The machine's load average before. */
  readonly load: number;
  readonly command: string;
};

type Results = {
  readonly machine: string;
  /** As `daprd --version` says. */
  readonly daprd: string;
  readonly rows: Record<string, Partial<Record<Contender, Cell>>>;
};

/** Renews one cell in the results and the page. What was measured on another machine is dropped. */
export async function save(row: string, contender: Contender, cell: Cell): Promise<void> {
  const known = JSON.parse(await readFile(resultsFile, "utf8")) as Results;
  const machine = machineText();
  const others = known.machine === machine ? known.rows : {};
  const daprd = daprdVersion() ?? known.daprd;
  const results: Results = {
    machine,
    daprd,
    rows: { ...others, [row]: { ...others[row], [contender]: cell } },
  };
  await writeFormatted(resultsFile, JSON.stringify(results));
  const text = await readFile(page, "utf8");
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${page} has lost its two marks`);
  await writeFormatted(
    page,
    `${text.slice(0, from)}${begin}\n\n${table(results)}\n\n${text.slice(to)}`,
  );
}

function table({ machine, daprd, rows: results }: Results): string {
  const cells = (name: string): string[] => {
    const tuning = rows.find((row) => row.name === name)?.tuning;
    const of = results[name];
    return [
      of?.cufflink?.text ?? "not run",
      of?.daprd?.text ?? "not run",
      tuning === undefined ? "–" : `${of?.["daprd-tuned"]?.text ?? "not run"} (${tuning})`,
    ];
  };
  const lines = [
    ["Scenario", ...Object.values(contenderTitles)],
    ["---", "---", "---", "---"],
    ...rows.map(({ name, title }) => [title, ...cells(name)]),
  ];
  const runs = Object.values(results).flatMap((of) => Object.values(of));
  const dates = runs.map(({ date }) => date).sort();
  const loads = runs.map(({ load }) => load);
  return [
    `Measured on ${machine}, against daprd ${daprd}, from ${dates[0]} to ${dates.at(-1)} (UTC), by \`DAPRD=daprd npm run test:reliability\`, some rows in runs of their own (which, and when: \`test/reliability/results.json\`). Load average before a cell: ${Math.min(...loads)} to ${Math.max(...loads)}.`,
    "",
    ...lines.map((line) => `| ${line.join(" | ")} |`),
  ].join("\n");
}

function machineText(): string {
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length} cores (${cpus()[0]?.model ?? "unknown"}), ${memory} GiB, Node ${process.version}`;
}

function daprdVersion(): string | undefined {
  const program = process.env["DAPRD"];
  if (!program) return undefined;
  return execFileSync(program, ["--version"], { encoding: "utf8" }).trim();
}

async function writeFormatted(path: string, text: string): Promise<void> {
  const { code } = await format(basename(path), text, { printWidth: 100 });
  await writeFile(path, code);
}
