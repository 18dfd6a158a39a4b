// The path of somebody new, on each Node that the README allows: `npm run test:newcomer [-- VERSION…]`. Clones the
// last commit, installs it, starts the quickstart and does what it suggests, runs an example and a test, then packs both
// packages and installs them elsewhere. Nothing but Node, git, curl and the distribution's basics is in PATH.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { isDeepStrictEqual, promisify } from "node:util";
import { effectsWith, expectedEffects } from "../own-bindings/effects.ts";
import { followGuide } from "../own-bindings/guide.ts";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "../..");
const versions = process.argv.length > 2 ? process.argv.slice(2) : ["20", "22", "24", "26"];
/** How long each step may take, in milliseconds. */
const limit = 300_000;

async function newcomer(version: string): Promise<void> {
  const bin = await nodeOf(version);
  const folder = mkdtempSync(join(tmpdir(), "cufflink-newcomer-"));
  const checkout = join(folder, "cufflink");
  // What `npm run` has put into the environment is no newcomer's.
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("npm_"));
  const env = {
    ...Object.fromEntries(inherited),
    PATH: `${bin}:/usr/bin:/bin`,
    TMPDIR: folder,
    XDG_STATE_HOME: folder,
  };
  const step = async (what: string, work: () => Promise<string | undefined>): Promise<void> => {
    const began = performance.now();
    const said = await work().catch((error: unknown) => {
      throw new Error(`Node ${version}, ${what}: ${describe(error)}`, { cause: error });
    });
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    console.log(`  ${what} (${seconds} s)${said === undefined ? "" : `: ${said}`}`);
  };
  const sh = (command: string, cwd = checkout): Promise<{ stdout: string; stderr: string }> =>
    run("/bin/sh", ["-c", command], { cwd, env, timeout: limit, maxBuffer: 64 << 20 });

  try {
    await step("node --version", async () => (await sh("node --version", folder)).stdout.trim());
    await run("git", ["clone", "--quiet", root, checkout]);
    await step("npm ci", async () => {
      const { stderr } = await sh("npm ci");
      if (/warn/i.test(stderr)) throw new Error(`it warns:\n${stderr}`);
      return undefined;
    });
    await step("npm start", () => quickstart(checkout, env, sh));
    await step("an example", async () => {
      const program = await started(
        "bin/cufflink run --app-id stream-app --resources-path examples/stream-app/components -- node examples/stream-app/app.ts",
        checkout,
        env,
      );
      await program.printed(/app \| .*tick/);
      return program.interrupted();
    });
    await step("npm test (one file)", async () => {
      await sh("npm test -- test/errors.test.ts");
      return undefined;
    });
    await step("the packages", () => packages(version, folder, env, sh));
  } finally {
    for (const pid of groups.splice(0)) endGroup(pid);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The guide, and what a binding's failures come to however the runtime was installed. */
async function ownBindings(
  folder: string,
  project: string,
  env: Environment,
  sh: Shell,
): Promise<void> {
  const follow = { ...env, PATH: `${project}/node_modules/.bin:${env["PATH"]}` };
  await followGuide(project, follow);
  const vitest = join(folder, "cufflink/node_modules/vitest");
  symlinkSync(vitest, join(project, "node_modules/vitest"));
  mkdirSync(join(project, "with-vitest"));
  await sh("npx cufflink new binding acme.tickets --test vitest --into with-vitest", project);
  await sh(`node ${vitest}/vitest.mjs run with-vitest`, project);

  const [packed = ""] = globSync(join(folder, "cufflink-[0-9]*.tgz"));
  const global = join(folder, "global");
  await sh(`npm install --no-audit --no-fund --global --prefix ${global} ${packed}`, folder);
  const elsewhere = join(folder, "elsewhere");
  const ways: [string, string[]][] = [
    [project, [join(project, "node_modules/.bin/cufflink")]],
    [elsewhere, [join(project, "node_modules/.bin/cufflink")]],
    [elsewhere, ["npx", "--yes", "--package", packed, "cufflink"]],
    [elsewhere, [join(global, "bin/cufflink")]],
    [elsewhere, [join(folder, "cufflink/bin/cufflink")]],
  ];
  for (const [place, program] of ways) {
    const came = await effectsWith(program, place, env);
    if (!isDeepStrictEqual(came, expectedEffects))
      throw new Error(`${program.join(" ")} in ${place}: ${JSON.stringify(came)}`);
  }
}

type Shell = (command: string, cwd?: string) => Promise<{ stdout: string; stderr: string }>;

/** Starts the quickstart, waits until both directions work, and does all that it suggests. */
async function quickstart(checkout: string, env: Environment, sh: Shell): Promise<string> {
  const program = await started("npm start", checkout, env);
  await program.printed(/Ctrl-C ends it/);
  const suggestions = program
    .output()
    .split("\n")
    .flatMap((line) => /^app \| {3}(\S.*)$/.exec(line)?.[1] ?? []);
  if (suggestions.length < 4) throw new Error(`it suggests little:\n${program.output()}`);
  for (const suggestion of suggestions) {
    const [tool = ""] = suggestion.split(" ");
    const isThere = await sh(`command -v ${tool}`).catch(() => undefined);
    if (isThere === undefined)
      console.log(`    not tried, as ${tool} is not installed: ${suggestion}`);
    else await sh(suggestion);
  }
  await program.printed(/wrote notes\/hi\.txt/);
  return program.interrupted();
}

/** Packs both packages and installs each into an empty project. */
async function packages(
  version: string,
  folder: string,
  env: Environment,
  sh: Shell,
): Promise<string> {
  await sh("npm run package");
  const project = join(folder, "project");
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), '{ "name": "project", "type": "module" }');
  for (const name of ["cufflink", "cufflink-app"]) {
    const packed = await sh(
      `npm pack --pack-destination ${folder}`,
      join(folder, "cufflink/dist/packages", name),
    );
    if (/warn/i.test(packed.stderr)) throw new Error(`npm pack warns:\n${packed.stderr}`);
  }
  await sh(`npm install --no-audit --no-fund ${folder}/cufflink-*.tgz`, project);
  if (Number(version) < 22) {
    const said = await sh("npx --no-install cufflink --version", project).catch((error: unknown) =>
      describe(error),
    );
    if (typeof said !== "string") throw new Error("it runs on a Node that it does not allow");
    if (!/cufflink: this is Node 2.*needs Node 22/.test(said)) throw new Error(said);
    return "the Node is refused in a sentence";
  }
  const { stdout } = await sh("npx --no-install cufflink --version", project);
  writeFileSync(
    join(project, "app.js"),
    'import { createRuntime } from "cufflink";\nimport { createApp } from "cufflink-app";\nconsole.log(typeof createRuntime, typeof createApp);\n',
  );
  const imported = await sh("node app.js", project);
  if (imported.stdout !== "function function\n") throw new Error(imported.stdout);
  await ownBindings(folder, project, env, sh);
  return `cufflink ${stdout.trim()}`;
}

/** Process groups that a failed step would leave behind. */
const groups: number[] = [];

function endGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}

type Environment = NodeJS.ProcessEnv;

/** A command line that runs until it is interrupted. */
async function started(command: string, cwd: string, env: Environment) {
  const child = spawn("/bin/sh", ["-c", `exec ${command}`], { cwd, env, detached: true });
  groups.push(child.pid!);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk: string) => void (output += chunk));
  }
  const closed = once(child, "close");
  return {
    output: () => output,
    async printed(pattern: RegExp): Promise<void> {
      const signal = AbortSignal.timeout(limit);
      while (!pattern.test(output)) {
        const ended = child.exitCode !== null || child.signalCode !== null;
        if (ended || signal.aborted) {
          child.kill("SIGKILL");
          throw new Error(
            `${command} ${ended ? "ended" : "ran"} without printing ${pattern}:\n${output}`,
          );
        }
        await Promise.race([once(child.stdout, "data"), closed, once(signal, "abort")]);
      }
    },
    /** Ctrl-C: the signal reaches all that the command started. */
    async interrupted(): Promise<string> {
      process.kill(-child.pid!, "SIGINT");
      const [code, signal] = (await closed) as [number | null, string | null];
      return `Ctrl-C ends it: ${code ?? signal}`;
    },
  };
}

/** The folder with this Node's program, fetched from npm's registry once. */
async function nodeOf(version: string): Promise<string> {
  const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "cufflink");
  const name = `node-${process.platform}-${process.arch}`;
  const place = join(cache, `node-${version}`);
  if (!existsSync(place)) {
    mkdirSync(cache, { recursive: true });
    const making = mkdtempSync(`${place}-`);
    writeFileSync(join(making, "package.json"), "{}");
    await run("npm", ["install", "--no-audit", "--no-fund", `${name}@${version}`], { cwd: making });
    renameSync(making, place);
  }
  return join(place, "node_modules", name, "bin");
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
  return [error.message, stdout, stderr].join("\n").trim();
}

for (const version of versions) {
  const began = performance.now();
  await newcomer(version);
  console.log(`Node ${version}: ${((performance.now() - began) / 1000).toFixed(0)} s\n`);
}
