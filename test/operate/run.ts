// `npm run test:operate`: runs the tests of operations that need servers built in minutes, a browser or an image, and keeps
// in runs.json which passed, with the commit. What they found beside that is in record.json; docs/operate-proofs.md is made of both.
//
//   FILTER …   those whose path contains one of these alone; the runs of others stay
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { readRuns, writeRuns, type Run } from "./runs.ts";

const root = resolve(import.meta.dirname, "../..");
const git = (...args: string[]): string =>
  execFileSync("git", args, { cwd: root }).toString().trim();

type Result = {
  readonly testResults: readonly {
    readonly name: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
};

const folder = mkdtempSync(join(tmpdir(), "cufflink-operate-"));
try {
  const outputFile = join(folder, "result.json");
  const changed = git("status", "--porcelain", "src", "console", "deploy") !== "";
  const commit = `${git("rev-parse", "--short=12", "HEAD")}${changed ? ", with changes" : ""}`;
  const { status } = spawnSync(
    "vitest",
    [
      ...["run", ...process.argv.slice(2)],
      ...["--reporter=default", "--reporter=json", `--outputFile.json=${outputFile}`],
    ],
    { cwd: root, stdio: "inherit", env: { ...process.env, CUFFLINK_TEST_OPERATE: "1" } },
  );
  process.exitCode = status ?? 1;
  if (existsSync(outputFile)) keep(JSON.parse(readFileSync(outputFile, "utf8")) as Result, commit);
} finally {
  rmSync(folder, { recursive: true });
}

function keep({ testResults }: Result, commit: string): void {
  const date = new Date().toISOString().slice(0, 10);
  const made = testResults.map(({ name, assertionResults: all }): Run => {
    const titles = (state: string): string[] =>
      all.filter((one) => one.status === state).map(({ fullName }) => fullName.trim());
    const notRun = [...titles("pending"), ...titles("skipped"), ...titles("todo")];
    return {
      ...{ file: relative(root, name), passed: titles("passed").length },
      ...{ failed: titles("failed"), notRun, commit, date },
    };
  });
  const files = new Set(made.map(({ file }) => file));
  const others = readRuns().filter(({ file }) => !files.has(file) && existsSync(join(root, file)));
  writeRuns([...others, ...made]);
}
