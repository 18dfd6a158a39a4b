import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { BindingError, messageOf } from "./errors.ts";

/** The npm packages that a binding needs and that are not installed with the runtime, with the version each was tested with. */
export type DriverVersions = Readonly<Record<string, string>>;

/** Where drivers are looked for beside the runtime's own package and the working directory: `--drivers`. */
export type DriversFolder = string | undefined;

/**
 * Loads a driver: from where the runtime is installed, then from the working directory, then from the folder, each with
 * the folders above it, as Node looks for packages. Throws a `BindingError` that names the command to install it with.
 * `path` names one of the package's own entries, as `lib/dkim`.
 */
export function loadDriver(
  name: string,
  version: string,
  folder: DriversFolder,
  path?: string,
): unknown {
  const { found, others } = lookFor(name, version, folder);
  if (found === undefined) {
    const passedOver = others.map((other) => `; ${other} is there, which is another major version`);
    const command = installCommand({ [name]: version }, folder);
    throw new BindingError(
      "invalid_argument",
      `the driver ${name} is not installed${passedOver.join("")}; run: ${command}`,
      { effect: "unsent" },
    );
  }
  try {
    // Required, not imported: it is the same object wherever it comes from, a module of either kind.
    return createRequire(found)(path === undefined ? name : `${name}/${path}`) as unknown;
  } catch (error) {
    throw new BindingError(
      "invalid_argument",
      `the driver ${name} in ${dirname(found)} cannot be loaded: ${messageOf(error)}`,
      { effect: "unsent" },
    );
  }
}

/** Those of the drivers that {@link loadDriver} would not find. */
export function missingDrivers(drivers: DriverVersions, folder: DriversFolder): DriverVersions {
  return Object.fromEntries(
    Object.entries(drivers).filter(
      ([name, version]) => lookFor(name, version, folder).found === undefined,
    ),
  );
}

/** The command that installs all of them where {@link loadDriver} finds them. */
export function installCommand(drivers: DriverVersions, folder: DriversFolder): string {
  const packages = Object.entries(drivers)
    .map(([name, version]) => `${name}@${version}`)
    .toSorted();
  const place = folder === undefined ? [] : ["--prefix", oneWord(folder)];
  return ["npm install", ...place, ...packages].join(" ");
}

/** `found`: a file from which Node resolves it. `others`: those that are there and do not fit. */
function lookFor(
  name: string,
  version: string,
  folder: DriversFolder,
): { found: string | undefined; others: string[] } {
  const others = new Set<string>();
  const froms = [
    import.meta.filename,
    ...[process.cwd(), ...(folder === undefined ? [] : [folder])].map((one) =>
      join(resolve(one), "package.json"),
    ),
  ];
  for (const from of froms) {
    const installed = installedVersion(name, from);
    if (installed === undefined) continue;
    if (major(installed) === major(version)) return { found: from, others: [] };
    others.add(`${name} ${installed}`);
  }
  return { found: undefined, others: [...others] };
}

/** The version of the package that Node resolves from the file; `undefined`: there is none. */
function installedVersion(name: string, from: string): string | undefined {
  for (const folder of createRequire(from).resolve.paths(name) ?? []) {
    const manifest = join(folder, name, "package.json");
    if (!existsSync(manifest)) continue;
    const { version } = JSON.parse(readFileSync(manifest, "utf8")) as { version?: unknown };
    return typeof version === "string" ? version : "";
  }
  return undefined;
}

function major(version: string): string {
  return version.split(".", 1)[0] ?? "";
}

/** As a shell takes it for one word. */
function oneWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
