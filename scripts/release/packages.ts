import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { settled } from "./bill.ts";
import { Refused, type Release } from "./check.ts";
import { run } from "./run.ts";

const names = ["cufflink", "cufflink-app"];

/** The two packages as npm takes them, and what the first is made of. */
export function makePackages(release: Release, dryRun: boolean): string[] {
  const { root, out, version } = release;
  const files = names.map((name) => `${name}-${version}.tgz`);
  const bill = `cufflink-${version}.cdx.json`;
  if (!dryRun) {
    const folder = mkdtempSync(join(tmpdir(), "cufflink-release-"));
    try {
      const script = join(root, "scripts/package.ts");
      run(process.execPath, [script, "--out", folder], root);
      const packages = names.map((name) => join(folder, name));
      run("npm", ["pack", "--silent", ...packages, "--pack-destination", out], root);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
    writeFileSync(join(out, bill), billOfMaterials(release));
  }
  return [...files, bill];
}

/**
 * Publishes them. npm signs where they were built (provenance), which only a CI can prove: elsewhere it is refused, since
 * packages without provenance would look like others.
 */
export function publishPackages({ out, version }: Release, dryRun: boolean): void {
  const { ACTIONS_ID_TOKEN_REQUEST_URL, SIGSTORE_ID_TOKEN } = process.env;
  const canProve = Boolean(ACTIONS_ID_TOKEN_REQUEST_URL || SIGSTORE_ID_TOKEN);
  for (const name of names) {
    const file = join(out, `${name}-${version}.tgz`);
    const command = ["publish", file, "--provenance", "--access", "public"];
    if (dryRun) console.log(`would run npm ${command.join(" ")}`);
    else if (!canProve) {
      throw new Refused(
        "--publish: nothing here proves where the packages were built; run it in a CI with an identity token (GitHub: permission id-token: write)",
      );
    } else execFileSync("npm", command, { stdio: "inherit" });
  }
}

type Locked = { readonly dev?: boolean; readonly link?: boolean; readonly peer?: boolean };

/**
 * CycloneDX of what the package has and needs, by the lock. npm is given a lock without the tools of the checkout: told to
 * leave them out itself, it leaves out also what both need.
 */
function billOfMaterials(release: Release): string {
  const read = (name: string): unknown =>
    JSON.parse(readFileSync(join(release.root, name), "utf8"));
  const { name, version, description, license, homepage, repository, dependencies } = read(
    "package.json",
  ) as Record<string, unknown>;
  const lock = read("package-lock.json") as { packages: Record<string, Locked> };
  const manifest = { name, version, description, license, homepage, repository, dependencies };
  const needed = Object.entries(lock.packages).filter(
    ([place, { dev, link, peer }]) => place.startsWith("node_modules/") && !dev && !link && !peer,
  );
  const folder = mkdtempSync(join(tmpdir(), "cufflink-bill-"));
  try {
    writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
    const packages = { "": manifest, ...Object.fromEntries(needed) };
    writeFileSync(join(folder, "package-lock.json"), JSON.stringify({ ...lock, packages }));
    const command = ["sbom", "--sbom-format", "cyclonedx", "--package-lock-only"];
    const options = { cwd: folder, encoding: "utf8", maxBuffer: 64 << 20 } as const;
    return settled(execFileSync("npm", command, options), release, "packages");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
