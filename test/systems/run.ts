// `npm run test:systems`: runs the tests of each binding with each system that it declares in `provedBy`, and records in
// docs/systems.json what was tested with which version. The pages of the bindings are made of that.
//
//   --only TYPES   these types alone, parted by commas; the records of others stay
//   --clouds       the types of the clouds alone, with the tests that `npm test` leaves out (`npm run test:clouds`)
//   --open         as --clouds, for services and engines of no cloud (`npm run test:open`)
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { bindings } from "../../src/bindings/index.ts";
import { bindingFolder } from "./binding-folder.ts";
import { readRecords, recordFile, type SystemRecord } from "./record.ts";
import { familyOf, type Family } from "./families.ts";
import { suites } from "./suites.ts";
import { versions } from "./versions.ts";

const root = resolve(import.meta.dirname, "../..");
const { values: flags } = parseArgs({
  options: { only: { type: "string" }, clouds: { type: "boolean" }, open: { type: "boolean" } },
});
const only = flags.only?.split(",");
const family: Family | undefined = flags.clouds ? "clouds" : flags.open ? "open" : undefined;
const changed = execFileSync("git", ["status", "--porcelain", "src", "test"], { cwd: root });
if (changed.length > 0) {
  console.error(
    "test:systems: src or test has changes; commit them, so that the record can name them",
  );
  process.exit(2);
}
const commit = execFileSync("git", ["rev-parse", "--short=12", "HEAD"], { cwd: root })
  .toString()
  .trim();
const date = new Date().toISOString().slice(0, 10);

let failed = false;
const records = (existsSync(recordFile) ? readRecords() : []).filter(({ type, system, kind }) =>
  bindings.some(
    ({ name, provedBy = [] }) =>
      name === type && provedBy.some((proof) => proof.system === system && proof.kind === kind),
  ),
);
for (const { name: type, provedBy = [] } of bindings) {
  if (only !== undefined && !only.includes(type)) continue;
  if (family !== undefined && familyOf(type) !== family) continue;
  for (const { system, kind } of provedBy) {
    const suite = suites[`${type} ${system}`] ?? [bindingFolder(type)];
    const tests = runSuite(suite);
    if (tests === undefined) {
      failed = true;
      console.error(`${type} with ${system}: failed`);
      continue;
    }
    const version = kind === "stand-in" ? "" : await versions[system]?.();
    if (version === undefined) throw new Error(`test/systems/versions.ts has no ${system}`);
    const record: SystemRecord = { type, system, kind, version, suite, tests, commit, date };
    const at = records.findIndex((one) => one.type === type && one.system === system);
    records.splice(at === -1 ? records.length : at, at === -1 ? 0 : 1, record);
    console.log(`${type} with ${system} ${version} (${kind}): ${tests} tests passed`);
  }
}
records.sort((a, b) => (`${a.type} ${a.system}` < `${b.type} ${b.system}` ? -1 : 1));
writeFileSync(recordFile, `${JSON.stringify(records, undefined, 2)}\n`);
process.exitCode = failed ? 1 : 0;

/** How many tests passed; `undefined`: not all did, or some were skipped, which proves nothing. */
function runSuite(suite: readonly string[]): number | undefined {
  const folder = mkdtempSync(join(tmpdir(), "cufflink-systems-"));
  try {
    const outputFile = join(folder, "result.json");
    const run = spawnSync(
      "vitest",
      ["run", ...suite, "--reporter=dot", "--reporter=json", `--outputFile.json=${outputFile}`],
      {
        cwd: root,
        stdio: ["ignore", "inherit", "inherit"],
        env: { ...process.env, ...(family === undefined ? {} : { CUFFLINK_TEST_CLOUDS: "1" }) },
      },
    );
    const result = JSON.parse(readFileSync(outputFile, "utf8")) as {
      numPassedTests: number;
      numPendingTests: number;
    };
    const whole = run.status === 0 && result.numPendingTests === 0 && result.numPassedTests > 0;
    return whole ? result.numPassedTests : undefined;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
