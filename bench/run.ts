// `npm run bench`: builds, measures each row beside daprd (DAPRD=/path/to/daprd) and the floor, and renews
// bench/results.json, the table in docs/performance.md and its plots.
//
// BEFORE=/path/to/checkout measures the build of that one too, in the rows that ask for it.
//
//   --row NAME    this row alone; may be repeated. Other rows keep their results
//   --rounds N    default 5
//   --scale X     counts are multiplied by it, for a quick look; say --dry-run with it
//   --dry-run     prints, and writes nothing
//   --pin         what is measured on the first processor, the load generator on the second
//   --profile     one round of Cufflink alone, and the ten functions that took most of its time
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { handleSignals } from "./children.ts";
import { measureRow, type RowResult } from "./measure-row.ts";
import { profileLines } from "./report/profile.ts";
import { save } from "./report/save.ts";
import { requirementLines } from "./report/lines.ts";
import { rows } from "./rows/index.ts";
import type { Bench, ContenderName, Row } from "./rows/row.ts";
import { Systems } from "./systems/systems.ts";

const { values: flags } = parseArgs({
  options: {
    row: { type: "string", multiple: true, default: [] },
    rounds: { type: "string", default: "5" },
    scale: { type: "string", default: "1" },
    "dry-run": { type: "boolean", default: false },
    pin: { type: "boolean", default: false },
    profile: { type: "boolean", default: false },
  },
});
handleSignals();
const root = join(import.meta.dirname, "..");
const given = process.argv.slice(2);
const daprdProgram = process.env["DAPRD"] || undefined;
const before = process.env["BEFORE"] || undefined;
const command = `${daprdProgram ? "DAPRD=daprd " : ""}${before ? "BEFORE=before " : ""}${process.env["VENDOR_CLIENT"] ? "VENDOR_CLIENT=client " : ""}npm run bench${given.length > 0 ? ` -- ${given.join(" ")}` : ""}`;
const folder = await mkdtemp(join(tmpdir(), "cufflink-bench-"));
const profiles = flags.profile ? join(folder, "profiles") : undefined;
const began = performance.now();
const loadAverageBefore = loadavg()[0] ?? 0;
let failed = false;
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
for (const checkout of before === undefined ? [root] : [root, before]) {
  const build = [join(checkout, "scripts/build.ts"), "--no-check"];
  execFileSync(process.execPath, build, { stdio: "inherit" });
}
for (const row of chosenRows()) {
  const result = await measured(profiles === undefined ? row : cufflinkAlone(row));
  failed ||= Object.keys(result.failures).length > 0;
  if (profiles !== undefined) {
    console.log(`\n${row.name}\n${(await profileLines(profiles)).join("\n")}\n`);
    continue;
  }
  console.log(`\n${requirementLines(row, result).join("\n")}\n`);
  if (!flags["dry-run"]) await save(row.name, result);
}
if (failed) {
  console.error("bench: at least one contender failed; see above");
  process.exitCode = 1;
}

function chosenRows(): readonly Row[] {
  const names = flags.row;
  const unknown = names.find((name) => !rows.some((row) => row.name === name));
  if (unknown !== undefined) {
    throw new Error(
      `there is no row ${unknown}; there are ${rows.map(({ name }) => name).join(", ")}`,
    );
  }
  return names.length === 0 ? rows : rows.filter(({ name }) => names.includes(name));
}

function cufflinkAlone(row: Row): Row {
  const isOurs = (name: ContenderName): boolean => name.startsWith("cufflink");
  return { ...row, contenders: row.contenders.filter(isOurs) };
}

async function measured(row: Row): Promise<RowResult> {
  await using systems = new Systems(folder);
  if (profiles !== undefined) {
    await rm(profiles, { recursive: true, force: true });
    await mkdir(profiles);
  }
  const bench: Bench = {
    folder,
    daprd: daprdProgram,
    before,
    systems,
    circumstances: { pin: flags.pin, compileCache: join(folder, "compiled"), profiles },
    count: (full) => Math.max(1, Math.round(full * positive("scale"))),
  };
  const rounds = profiles === undefined ? Math.ceil(positive("rounds")) : 1;
  return await measureRow(row, bench, { rounds, command, loadAverageBefore, progress });
}

function progress(text: string): void {
  const seconds = Math.round((performance.now() - began) / 1000);
  process.stderr.write(`bench: ${seconds} s: ${text}\n`);
}

function positive(flag: "rounds" | "scale"): number {
  const value = Number(flags[flag]);
  if (value > 0) return value;
  throw new Error(`--${flag} is ${flags[flag]}; it must be a number above 0`);
}
