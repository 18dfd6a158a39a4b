import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { withFileLock } from "./install.ts";
import { findProgram } from "./server-process.ts";

const run = promisify(execFile);

/** Python packages with their exact versions, as pip takes them: `moto[server]==5.2.1`. */
export type PythonPackages = { readonly name: string; readonly packages: readonly string[] };

/** The Python of an environment that has the packages; `undefined`: it was not made yet. */
export function venvPython(wanted: PythonPackages): string | undefined {
  const folder = folderOf(wanted);
  return existsSync(join(folder, "complete")) ? join(folder, "bin/python") : undefined;
}

/** Makes the environment, unless it is there. Rejects with the reason where that cannot be done. */
export async function installVenv(wanted: PythonPackages): Promise<void> {
  const folder = folderOf(wanted);
  const python = findProgram("python3");
  if (python === undefined || process.env["CUFFLINK_TEST_INSTALL"] === "0") {
    const why = python === undefined ? "there is no python3" : "CUFFLINK_TEST_INSTALL=0 forbids";
    throw new Error(`${wanted.packages.join(" ")} is not installed, and ${why} to install it`);
  }
  await withFileLock(`cufflink-${wanted.name}`, async () => {
    if (venvPython(wanted) !== undefined) return;
    await mkdir(folder, { recursive: true });
    // Its programs name their folder, so it is made in place.
    await rm(folder, { recursive: true, force: true });
    await run(python, ["-m", "venv", folder], { timeout: 120_000 });
    const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    await run(join(folder, "bin/python"), [...pip, ...wanted.packages], {
      timeout: 600_000,
      maxBuffer: 64 << 20,
    });
    const done = join(folder, "complete");
    await writeFile(`${done}.part`, wanted.packages.join("\n"));
    await rename(`${done}.part`, done);
  });
}

function folderOf({ name, packages }: PythonPackages): string {
  const hash = createHash("sha256").update(packages.join("\n")).digest("hex").slice(0, 12);
  const home = process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache");
  return join(home, "cufflink", `${name}-${hash}`);
}
