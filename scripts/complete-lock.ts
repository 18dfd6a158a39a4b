// Completes package-lock.json: `node scripts/complete-lock.ts [--check]`.
//
// A registry mirror may carry the native packages of a few platforms only. npm then leaves the
// others out of the lock, after which `npm ci` refuses the lock everywhere. This writes an entry for
// each optional package that the lock's own packages name; --check only tells which are missing.
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";

type Package = {
  version?: string;
  cpu?: string[];
  dev?: boolean;
  engines?: object;
  libc?: string[];
  optional?: boolean;
  os?: string[];
  optionalDependencies?: Record<string, string>;
};

const path = resolve(import.meta.dirname, "../package-lock.json");
const lock = JSON.parse(readFileSync(path, "utf8")) as { packages: Record<string, Package> };
const missing = missingPackages(lock.packages);
const withEngines = Object.entries(lock.packages).filter(
  ([place, { engines }]) => place !== "" && engines !== undefined,
);

if (process.argv.includes("--check")) {
  for (const [name] of missing) console.error(`package-lock.json lacks ${name}`);
  for (const [name] of withEngines) console.error(`package-lock.json has the engines of ${name}`);
  if (missing.size + withEngines.length > 0) {
    console.error("Run `node scripts/complete-lock.ts`.");
    process.exitCode = 1;
  }
} else if (missing.size + withEngines.length > 0) {
  for (const [, entry] of withEngines) delete entry.engines;
  // npm keeps its entries in this order.
  const packages = Object.entries({ ...lock.packages, ...Object.fromEntries(missing) });
  packages.sort(([a], [b]) => a.localeCompare(b, "en"));
  writeFileSync(
    path,
    `${JSON.stringify({ ...lock, packages: Object.fromEntries(packages) }, null, 2)}\n`,
  );
}

function missingPackages(packages: Record<string, Package>): Map<string, Package> {
  const found = new Map<string, Package>();
  for (const [place, entry] of Object.entries(packages)) {
    for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
      if (isLocked(packages, place, name)) continue;
      found.set(`node_modules/${name}`, {
        version: range.replace(/^[^0-9]*/, ""),
        ...platform(name),
        ...(entry.dev === true || isOwn(place) ? { dev: true } : {}),
        optional: true,
      });
    }
  }
  return found;
}

/** Whether the package at `place` finds `name`: in its own folder or one above. */
function isLocked(packages: Record<string, Package>, place: string, name: string): boolean {
  for (let at = place; ; at = at.slice(0, Math.max(at.lastIndexOf("/node_modules/"), 0))) {
    if (`${at === "" ? "" : `${at}/`}node_modules/${name}` in packages) return true;
    if (at === "") return false;
  }
}

function isOwn(place: string): boolean {
  return place !== "" && !place.startsWith("node_modules/");
}

/** The platform that the package's name tells, so that no other installs it. */
function platform(name: string): Package {
  const words = name.split(/[/-]/);
  const os = ["android", "darwin", "freebsd", "linux", "openharmony", "win32"].filter((word) =>
    words.includes(word),
  );
  const cpu = ["arm", "arm64", "ia32", "ppc64", "riscv64", "s390x", "x64"].filter((word) =>
    words.includes(word),
  );
  if (words.includes("armv7")) cpu.push("arm");
  if (words.includes("aarch64")) cpu.push("arm64");
  const libc = words.some((word) => word.startsWith("musl"))
    ? ["musl"]
    : words.some((word) => word.startsWith("gnu"))
      ? ["glibc"]
      : [];
  return {
    ...(cpu.length > 0 ? { cpu } : {}),
    ...(libc.length > 0 && os.includes("linux") ? { libc } : {}),
    ...(os.length > 0 ? { os } : {}),
  };
}
