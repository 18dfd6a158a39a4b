// Builds dist/: `node scripts/build.ts [--no-check] [--out FOLDER]`. dist/src is the library, a file a module;
// dist/daemon is the program, in few files, as each file costs the start and its memory; with what each binding declares,
// so that a component that waits for its first use needs no code before.
//
// The new files are put in place at once, so that a daemon starting meanwhile finds a whole build.
// The stamp carries the time the build began; bin/cufflink compares it with the sources.
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { rolldown } from "rolldown";
import { bindings } from "../src/bindings/index.ts";
import { writeDeclarations } from "../src/cli/declarations.ts";

const root = resolve(import.meta.dirname, "..");

/** Packages that every start needs. All others stay as they are, and are loaded where they are wanted. */
const bundled = ["@bufbuild/protobuf", "commander", "yaml"];

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      "no-check": { type: "boolean", default: false },
      out: { type: "string", default: join(root, "dist") },
    },
  });
  await build(resolve(values.out), values["no-check"]);
}

/** Builds the library and the program into the folder `out`. `unchecked`: types are not checked. */
export async function build(out: string, unchecked: boolean): Promise<void> {
  const began = new Date();
  const fresh = `${out}.${process.pid}`;
  const stale = `${fresh}.old`;
  try {
    compile(fresh, unchecked);
    await bundle(join(fresh, "src/main.js"), join(fresh, "daemon"));
    // By itself, as together they would be split into more files. The program looks for it beside them.
    await bundle(join(fresh, "src/store/store-worker.js"), join(fresh, "daemon"));
    await bundle(join(fresh, "src/bindings/wasm/guest-worker.js"), join(fresh, "daemon"));
    chmodSync(join(fresh, "daemon/main.js"), 0o755);
    writeDeclarations(bindings, join(fresh, "daemon"));
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

/** Puts the program and what every start needs into few files, with the licences of what is not ours. */
async function bundle(entry: string, out: string): Promise<void> {
  await using build = await rolldown({
    input: entry,
    platform: "node",
    transform: { define: { "process.env.CUFFLINK_FAULT_POINTS": "undefined" } },
    external: (id) =>
      /^[^./]/.test(id) && !bundled.some((name) => id === name || id.startsWith(`${name}/`)),
  });
  await build.write({ dir: out, format: "esm", chunkFileNames: "[name]-[hash].js" });
  writeFileSync(join(out, "THIRD-PARTY-LICENSES"), bundled.map(licenseOf).join("\n----\n\n"));
}

function licenseOf(name: string): string {
  const folder = join(root, "node_modules", name);
  const { license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as {
    license: string;
  };
  const file = readdirSync(folder).find((one) => /^licen[cs]e/i.test(one));
  const text = file === undefined ? "" : `\n${readFileSync(join(folder, file), "utf8")}`;
  return `${name}: ${license}\n${text}`;
}
