// Makes all that is published of a version, from its tag: `node scripts/release.ts [--dry-run] [--tag TAG] [--out FOLDER]
// [--base IMAGE] [--without PARTS] [--publish]`. The same commit gives the same bytes; of the images that holds as long as
// the base and its packages are the same.
//
// --tag       the tag of the version; the one of this commit, unless it has several.
// --out       where the files go; dist/release.
// --base      what the images are built on; what the Dockerfile says.
// --without   of packages, images and chart: what is not made, separated by commas.
// --dry-run   checks, says what would be made, and writes nothing.
// --publish   sends the packages to npm, with provenance: only in a CI that proves who it is.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { makeChart } from "./release/chart.ts";
import { checkRelease, Refused } from "./release/check.ts";
import { checksums } from "./release/checksums.ts";
import { makeImages } from "./release/images.ts";
import { makePackages, publishPackages } from "./release/packages.ts";

const root = resolve(import.meta.dirname, "..");
const { values } = parseArgs({
  options: {
    "dry-run": { type: "boolean", default: false },
    tag: { type: "string" },
    out: { type: "string", default: join(root, "dist/release") },
    base: { type: "string" },
    without: { type: "string", default: "" },
    publish: { type: "boolean", default: false },
  },
});

const parts = { packages: makePackages, images: makeImages, chart: makeChart };

try {
  const without = values.without.split(",").filter((part) => part !== "");
  const unknown = without.filter((part) => !Object.hasOwn(parts, part));
  if (unknown.length > 0)
    throw new Refused(
      `--without ${unknown.join(",")}: the parts are ${Object.keys(parts).join(", ")}`,
    );
  const checked = checkRelease(root, values.tag);
  const release = { ...checked, root, out: resolve(values.out), base: values.base };
  console.log(`${release.tag}: version ${release.version} of ${release.commit}`);
  const dryRun = values["dry-run"];
  if (!dryRun) {
    rmSync(release.out, { recursive: true, force: true });
    mkdirSync(release.out, { recursive: true });
  }
  for (const [name, make] of Object.entries(parts)) {
    if (without.includes(name)) console.log(`not made, as --without says: ${name}`);
    else
      for (const made of make(release, dryRun))
        console.log(`${dryRun ? "would make" : "made"} ${made}`);
  }
  if (!dryRun) {
    writeFileSync(join(release.out, "RELEASE_NOTES.md"), `${release.notes}\n`);
    writeFileSync(join(release.out, "SHA256SUMS"), checksums(release.out));
  }
  const where = relative(process.cwd(), release.out) || ".";
  console.log(`${dryRun ? "would write" : "wrote"} RELEASE_NOTES.md and SHA256SUMS to ${where}`);
  if (values.publish) publishPackages(release, dryRun);
  else console.log("not published: say --publish, in a CI that npm trusts");
} catch (error) {
  if (!(error instanceof Refused)) throw error;
  console.error(`release: ${error.message}`);
  process.exitCode = 1;
}
