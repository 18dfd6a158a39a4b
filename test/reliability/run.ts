// `npm run test:reliability`: what becomes of events in Cufflink and, with DAPRD=/path/to/daprd, in that daprd, side by
// side. Renews test/reliability/results.json and the table in docs/reliability.md. It takes about 40 minutes.
//
//   --row NAME         this row alone; may be repeated. Other rows keep their results
//   --contender NAME   cufflink, daprd or daprd-tuned alone; may be repeated
//   --built            takes the built daemon as it is: for several runs at one time
//   --dry-run          prints, and writes nothing
//
// Exits with 1 where Cufflink lost an event, or delivered one out of the order that its source promises.
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { handleSignals } from "../../bench/children.ts";
import { Systems } from "../../bench/systems/systems.ts";
import { contenderTitles, save, type Cell } from "./report.ts";
import type { Bench, Row } from "./row.ts";
import { rows } from "./rows.ts";
import { contenders, type Contender } from "./runtime.ts";

const { values: flags } = parseArgs({
  options: {
    row: { type: "string", multiple: true, default: [] },
    contender: { type: "string", multiple: true, default: [] },
    built: { type: "boolean", default: false },
    "dry-run": { type: "boolean", default: false },
  },
});
handleSignals();
const daprd = process.env["DAPRD"] || undefined;
const given = process.argv.slice(2);
const command = `${daprd === undefined ? "" : "DAPRD=daprd "}npm run test:reliability${given.length > 0 ? ` -- ${given.join(" ")}` : ""}`;
const folder = await mkdtemp(join(tmpdir(), "cufflink-reliability-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
let failed = false;
if (!flags.built) {
  const build = join(import.meta.dirname, "../../scripts/build.ts");
  execFileSync(process.execPath, [build, "--no-check"], { stdio: "inherit" });
}
for (const row of chosen(flags.row, rows)) {
  console.log(`\n${row.name}: ${row.title}`);
  for (const contender of chosen(
    flags.contender,
    contenders.map((name) => ({ name })),
  )) {
    const cell = await measured(row, contender.name);
    if (cell === undefined) continue;
    console.log(`  ${contenderTitles[contender.name]}: ${cell.text}`);
    failed ||= contender.name === "cufflink" && !cell.kept;
    if (!flags["dry-run"]) await save(row.name, contender.name, cell);
  }
}
if (failed) {
  console.error("reliability: Cufflink did not keep its promise in at least one row; see above");
  process.exitCode = 1;
}

async function measured(row: Row, contender: Contender): Promise<Cell | undefined> {
  if (contender === "daprd-tuned" && row.tuning === undefined) return undefined;
  const date = new Date().toISOString().slice(0, 16).replace("T", " ");
  const load = Math.round((loadavg()[0] ?? 0) * 10) / 10;
  const about = { date, load, command };
  if (contender !== "cufflink" && daprd === undefined) {
    return { text: "not run", kept: false, ...about };
  }
  try {
    await using systems = new Systems(folder);
    const bench: Bench = { folder, daprd, systems };
    const { text, lost, reordered } = await row.run(contender, bench);
    return { text, kept: lost === 0 && reordered === 0, ...about };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    console.error(reason);
    return { text: `failed: ${reason.split("\n")[0]}`, kept: false, ...about };
  }
}

function chosen<Thing extends { readonly name: string }>(
  names: readonly string[],
  all: readonly Thing[],
): readonly Thing[] {
  const unknown = names.find((name) => !all.some((one) => one.name === name));
  if (unknown !== undefined) {
    throw new Error(`there is no ${unknown}; there are ${all.map(({ name }) => name).join(", ")}`);
  }
  return names.length === 0 ? all : all.filter(({ name }) => names.includes(name));
}
