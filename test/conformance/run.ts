// Runs the public conformance suite of Connect against the client transport and the server, and h2spec against the
// daemon: `npm run test:conformance`, or `-- client`, `-- server`, `-- h2spec`; what follows that goes to the runner.
// The runners and their protos come from the Go module registry and stay in a cache folder.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { h2specPasses } from "./h2spec.ts";

const conformanceModule = "connectrpc.com/conformance";
const version = "v1.0.7";

const here = import.meta.dirname;
const caches = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
const folder = join(caches, "cufflink", "conformance", version);
const runner = join(folder, "connectconformance");
const descriptors = join(folder, "descriptors.binpb");

/** The Node that client and server run on: `NODE_UNDER_TEST`, else this one. */
const nodeUnderTest = process.env["NODE_UNDER_TEST"] ?? process.execPath;

const suites = ["client", "server"] as const;
const modes = [...suites, "h2spec"] as const;
const [asked, ...runnerArguments] = process.argv.slice(2);
if (asked !== undefined && !modes.some((mode) => mode === asked)) {
  fail(`${asked} is not a mode; there are ${modes.join(", ")}`);
}

if (asked !== "h2spec") install();
const failed: string[] = suites.filter((mode) => (asked ?? mode) === mode && !passes(mode));
if ((asked ?? "h2spec") === "h2spec" && !(await h2specPasses(runnerArguments)))
  failed.push("h2spec");
if (failed.length > 0) fail(`not conformant: ${failed.join(" and ")}`);

/** Brings the runner and the descriptors of its protos into the cache folder. */
function install(): void {
  if (existsSync(runner) && existsSync(descriptors)) return;
  if (spawnSync("go", ["version"]).status !== 0) {
    fail("Go is needed to build the conformance runner, and `go version` does not run; install Go");
  }
  mkdirSync(folder, { recursive: true });
  run("go", ["install", `${conformanceModule}/cmd/connectconformance@${version}`], folder);
  const downloaded = run("go", ["mod", "download", "-json", `${conformanceModule}@${version}`]);
  const { Dir: source } = JSON.parse(downloaded) as { Dir: string };
  const buf = join(here, "../../node_modules/.bin/buf");
  run(buf, ["build", join(source, "proto"), "--output", descriptors]);
}

function run(command: string, commandArguments: readonly string[], binaries?: string): string {
  const result = spawnSync(command, commandArguments, {
    cwd: folder,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...(binaries !== undefined && { GOBIN: binaries }) },
  });
  if (result.status !== 0) fail(`${command} ${commandArguments.join(" ")} failed`);
  return result.stdout;
}

function passes(mode: (typeof suites)[number]): boolean {
  console.log(`conformance of the ${mode}:`);
  const { status } = spawnSync(
    runner,
    [
      ...["--mode", mode, "--conf", join(here, `${mode}.yaml`)],
      ...["--known-failing", `@${join(here, `${mode}-known-failing.txt`)}`],
      ...runnerArguments,
      ...["--", nodeUnderTest, join(here, `${mode}.ts`), descriptors],
    ],
    { stdio: "inherit" },
  );
  return status === 0;
}

function fail(reason: string): never {
  console.error(`conformance: ${reason}`);
  process.exit(1);
}
