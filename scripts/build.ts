// Builds dist/: `node scripts/build.ts [--no-check] [--out FOLDER]`.
//
// The new files are put in place at once, so that a daemon starting meanwhile finds a whole build.
// The stamp carries the time the build began; bin/cufflink compares it with the sources.
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

const root = resolve(import.meta.dirname, "..");
const { values } = parseArgs({
  options: {
    "no-check": { type: "boolean", default: false },
    out: { type: "string", default: join(root, "dist") },
  },
});

build(resolve(values.out), values["no-check"]);

function build(out: string, unchecked: boolean): void {
  const began = new Date();
  const fresh = `${out}.${process.pid}`;
  const stale = `${fresh}.old`;
  try {
    compile(fresh, unchecked);
    chmodSync(join(fresh, "src/main.js"), 0o755);
    writeFileSync(join(fresh, "stamp"), "");
    utimesSync(join(fresh, "stamp"), began, began);
    if (existsSync(out)) renameSync(out, stale);
    renameSync(fresh, out);
  } finally {
    for (const folder of [fresh, stale]) rmSync(folder, { recursive: true, force: true });
  }
}

function compile(out: string, unchecked: boolean): void {
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  const options = ["--project", join(root, "tsconfig.build.json"), "--outDir", out];
  execFileSync(process.execPath, [compiler, ...options, ...(unchecked ? ["--noCheck"] : [])], {
    cwd: root,
    stdio: "inherit",
  });
}
