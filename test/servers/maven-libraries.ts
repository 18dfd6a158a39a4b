import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { installPackages, withFileLock } from "./install.ts";
import { findProgram } from "./server-process.ts";

const run = promisify(execFile);

/** Where the jars of a folder's `pom.xml` are once they were fetched; another one is another folder. */
export function mavenLibraries(name: string): string {
  const home = process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache");
  const version = createHash("sha256")
    .update(readFileSync(pomOf(name)))
    .digest("hex");
  return join(home, "cufflink", `${name}-${version.slice(0, 12)}`);
}

/** Fetches them, unless they are there. Rejects with the reason where that cannot be done. */
export async function fetchMavenLibraries(name: string): Promise<void> {
  const libraries = mavenLibraries(name);
  const missing = [
    ...(findJava() === undefined ? ["default-jre-headless"] : []),
    ...(existsSync(libraries) || findProgram("mvn") !== undefined ? [] : ["maven"]),
  ];
  if (missing.length > 0) await installPackages(...missing);
  if (process.env["CUFFLINK_TEST_INSTALL"] === "0" && !existsSync(libraries))
    throw new Error("not installed, and CUFFLINK_TEST_INSTALL=0 forbids to fetch it");
  await withFileLock(`cufflink-${name}`, async () => {
    if (existsSync(libraries)) return;
    await mkdir(join(libraries, ".."), { recursive: true });
    const fresh = await mkdtemp(`${libraries}-`);
    try {
      await run(
        findProgram("mvn") ?? "mvn",
        [
          "-B",
          "-q",
          "-f",
          pomOf(name),
          "dependency:copy-dependencies",
          `-DoutputDirectory=${fresh}`,
        ],
        { timeout: 600_000, maxBuffer: 64 << 20 },
      );
      await rename(fresh, libraries);
    } finally {
      await rm(fresh, { recursive: true, force: true });
    }
  });
}

export function findJava(): string | undefined {
  const home = process.env["JAVA_HOME"];
  return findProgram(...(home ? [join(home, "bin", "java")] : []), "java");
}

function pomOf(name: string): string {
  return join(import.meta.dirname, name, "pom.xml");
}
