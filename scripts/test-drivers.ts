// Installs the drivers, and the servers of other libraries, that only tests and checks need: `node
// scripts/test-drivers.ts`. test/drivers has their manifest and lock; node_modules gets a link to each, so that all find
// them as if they had been installed with the rest.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

const modules = resolve(import.meta.dirname, "../node_modules");
const drivers = resolve(import.meta.dirname, "../test/drivers");

type Manifest = { readonly version?: string; readonly dependencies: Record<string, string> };

export function installTestDrivers(): void {
  installFrom(drivers);
}

/** Installs what is missing of a folder's dependencies. Where all are there in their versions, it does nothing. */
export function installFrom(folder: string): void {
  const { dependencies } = manifestIn(folder);
  const names = Object.keys(dependencies);
  const isThere = (name: string, at: string): boolean =>
    existsSync(join(at, name, "package.json")) &&
    manifestIn(join(at, name)).version === dependencies[name];
  const missing = names.filter((name) => !isThere(name, modules));
  if (missing.length === 0) return;
  const own = join(folder, "node_modules");
  if (!missing.every((name) => isThere(name, own))) {
    const options = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    execFileSync("npm", options, {
      ...{ cwd: folder, stdio: ["ignore", "ignore", "inherit"] },
      shell: process.platform === "win32",
    });
  }
  for (const name of missing) {
    const link = join(modules, name);
    rmSync(link, { recursive: true, force: true });
    mkdirSync(dirname(link), { recursive: true });
    const target = relative(realpathSync(dirname(link)), join(own, name));
    symlinkSync(target, link, process.platform === "win32" ? "junction" : "dir");
  }
}

function manifestIn(at: string): Manifest {
  return JSON.parse(readFileSync(join(at, "package.json"), "utf8")) as Manifest;
}

if (import.meta.main) installTestDrivers();
