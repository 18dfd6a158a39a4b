import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { withFileLock } from "./install.ts";
import { findProgram } from "./server-process.ts";

const run = promisify(execFile);

/** Where a toolchain's program is; `undefined`: it is not here. */
export function findTool(name: string): string | undefined {
  const usual = [
    join("/usr/local/go/bin", name),
    join(homedir(), ".cargo/bin", name),
    join("/usr/bin", name),
  ];
  return findProgram(name) ?? usual.find((path) => existsSync(path));
}

/**
 * Builds a program in a copy of its folder, once for its sources, by commands of which a name without a slash is a tool.
 * Returns the folder in which it was built.
 */
export async function buildProgram(
  name: string,
  sources: string,
  build: readonly (readonly string[])[],
): Promise<string> {
  const home = process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache");
  const folder = join(home, "cufflink", `${name}-${fingerprintOf(sources)}`);
  const done = join(folder, "complete");
  await withFileLock(`cufflink-${name}`, async () => {
    if (existsSync(done)) return;
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    cpSync(sources, folder, { recursive: true });
    for (const [program = "", ...rest] of build) {
      const path = program.includes("/") ? join(folder, program) : (findTool(program) ?? program);
      await run(path, rest, { cwd: folder, timeout: 900_000, maxBuffer: 64 << 20 });
    }
    await writeFile(done, "");
  });
  return folder;
}

function fingerprintOf(folder: string): string {
  const hash = createHash("sha256");
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).toSorted();
  for (const name of names)
    if (statSync(join(folder, name)).isFile()) hash.update(readFileSync(join(folder, name)));
  return hash.digest("hex").slice(0, 12);
}
