import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { mkdir, rename } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { withFileLock } from "./install.ts";
import { findProgram } from "./server-process.ts";

const run = promisify(execFile);

/**
 * Where the program of a folder with a Go module is once it was built; another source is another program. `below`: where
 * that folder is. Default: here.
 */
export function goProgram(name: string, below = import.meta.dirname): string {
  const folder = join(below, name);
  const hash = createHash("sha256");
  for (const file of readdirSync(folder).toSorted()) hash.update(readFileSync(join(folder, file)));
  return join(cache(), `${name}-${hash.digest("hex").slice(0, 12)}`);
}

export interface BuildOptions {
  /** For the linker. */
  readonly ldflags?: string;
  /** In milliseconds. Default: ten minutes. */
  readonly timeout?: number;
  /** As of `goProgram`. */
  readonly below?: string;
}

/** Builds it, unless it is there. Rejects with the reason where that cannot be done. */
export async function buildGoProgram(
  name: string,
  { ldflags, timeout = 600_000, below = import.meta.dirname }: BuildOptions = {},
): Promise<void> {
  const program = goProgram(name, below);
  const go = findGo();
  if (process.env["CUFFLINK_TEST_INSTALL"] === "0")
    throw new Error(`${name} is not built, and CUFFLINK_TEST_INSTALL=0 forbids to fetch it`);
  if (go === undefined) throw new Error(`${name} is not built, and there is no Go to build it`);
  await withFileLock(`cufflink-go-${name}`, async () => {
    if (existsSync(program)) return;
    await mkdir(cache(), { recursive: true });
    const built = `${program}.${process.pid}`;
    const folder = join(below, name);
    const flags = ldflags === undefined ? [] : ["-ldflags", ldflags];
    await run(go, ["build", "-trimpath", ...flags, "-o", built, "."], { cwd: folder, timeout });
    await rename(built, program);
  });
}

function findGo(): string | undefined {
  const usual = "/usr/local/go/bin/go";
  return findProgram("go") ?? (existsSync(usual) ? usual : undefined);
}

function cache(): string {
  return join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "cufflink");
}
