import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { withFileLock } from "./install.ts";
import { findProgram, searchPath } from "./server-process.ts";

/** A program of a Go module, as `go install` builds it. */
export type GoProgram = {
  readonly name: string;
  /** What its folder in the cache begins with. */
  readonly folder: string;
  readonly module: string;
  readonly version: string;
  /** Its module replaces others of its requirements, so that Go builds it only in a module that requires it. */
  readonly asRequirement?: boolean;
};

const run = promisify(execFile);

/** Where the tests keep it once it was built; another version is another file. */
export function installedGoProgram({ name, folder, version }: GoProgram): string {
  return join(cache(), `${folder}-${version}`, name);
}

/** Builds it, unless it is there. Rejects with the reason where that cannot be done. */
export async function installGoProgram(program: GoProgram): Promise<void> {
  const { name, module, version } = program;
  const go = findProgram("go", "/usr/local/go/bin/go");
  if (go === undefined || process.env["CUFFLINK_TEST_INSTALL"] === "0") {
    const why = go === undefined ? "there is no Go" : "CUFFLINK_TEST_INSTALL=0 forbids";
    throw new Error(`${name} ${version} is not installed, and ${why} to build it`);
  }
  const built = installedGoProgram(program);
  await withFileLock(`cufflink-${name}`, async () => {
    if (existsSync(built)) return;
    await mkdir(join(built, ".."), { recursive: true });
    const fresh = await mkdtemp(join(cache(), "building-"));
    try {
      const env = { ...process.env, PATH: searchPath(), GOBIN: fresh, GOFLAGS: "" };
      const options = { cwd: fresh, env, timeout: 1_800_000, maxBuffer: 64 << 20 };
      const flags = ["-p", "2", "-trimpath", "-ldflags", "-s -w"];
      if (program.asRequirement === true) {
        await run(go, ["mod", "init", "requirement"], options);
        await run(go, ["get", `${module}@${version}`], options);
        await run(go, ["build", ...flags, "-o", name, module], options);
      } else await run(go, ["install", ...flags, `${module}@${version}`], options);
      await rename(join(fresh, name), built);
    } finally {
      await rm(fresh, { recursive: true, force: true });
    }
  });
}

function cache(): string {
  return join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "cufflink");
}
