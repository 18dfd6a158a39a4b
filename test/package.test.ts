import { execFile } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { version } from "../src/version.ts";

type Manifest = {
  version: string;
  engines: { node: string };
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
};

const root = resolve(import.meta.dirname, "..");
const manifest = JSON.parse(read("package.json")) as Manifest;
const run = promisify(execFile);
const temporary = mkdtempSync(join(tmpdir(), "cufflink-package-"));

afterAll(() => {
  rmSync(temporary, { recursive: true, force: true });
});

test("the version is said alike in the manifest and the code", () => {
  expect(version).toBe(manifest.version);
});

test("every dependency is pinned", () => {
  const versions = { ...manifest.dependencies, ...manifest.devDependencies };
  const loose = Object.entries(versions).filter(
    ([, one]) => !/^(\d+\.\d+\.\d+|file:.*)$/.test(one),
  );
  expect(loose).toEqual([]);
});

test("the lock names no registry, and every platform's packages", async () => {
  expect(read("package-lock.json").match(/"resolved": "https?:[^"]*"/g)).toBeNull();
  await run(process.execPath, [join(root, "scripts/complete-lock.ts"), "--check"]);
});

describe("the published package", () => {
  const home = join(temporary, "home");
  const env = {
    ...process.env,
    PATH: [dirname(process.execPath), process.env["PATH"]].join(delimiter),
  };
  let listed: string[];

  /** Packs a copy, so that a build of the checkout in use meanwhile is left alone. */
  beforeAll(async () => {
    const copy = join(temporary, "copy");
    mkdirSync(copy);
    for (const name of ["package.json", "README.md", "LICENSE", "proto"]) {
      if (existsSync(join(root, name)))
        cpSync(join(root, name), join(copy, name), { recursive: true });
    }
    const build = [join(root, "scripts/build.ts"), "--no-check", "--out", join(copy, "dist")];
    await run(process.execPath, build, { cwd: root });
    const pack = ["pack", "--json", "--ignore-scripts", "--pack-destination", temporary];
    const packed = JSON.parse((await run("npm", pack, { cwd: copy, env })).stdout) as [
      { filename: string; files: { path: string }[] },
    ];
    listed = packed[0].files.map(({ path }) => path);

    mkdirSync(home);
    writeFileSync(join(home, "package.json"), '{ "name": "empty", "type": "module" }');
    // The oldest Node that `engines` allows; npx finds it before any other.
    const oldest = `node-${process.platform}-${process.arch}@${manifest.engines.node.slice(2)}`;
    const install = ["install", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund"];
    await run("npm", [...install, join(temporary, packed[0].filename), oldest], { cwd: home, env });
  }, 180_000);

  test("holds the build, the protos and the papers, and nothing else", () => {
    const expected = ["LICENSE", "README.md", "dist", "package.json", "proto"];
    const present = expected.filter((name) => existsSync(join(root, name)) || name === "dist");
    expect(new Set(listed.map((path) => path.split("/")[0]))).toEqual(new Set(present));
    expect(listed.filter((path) => /(?<!\.d)\.ts$/.test(path))).toEqual([]);
  });

  test("brings no Node and no tool of the project's own", () => {
    const installed = JSON.parse(
      readFileSync(join(home, "node_modules/.package-lock.json"), "utf8"),
    ) as { packages: object };
    const names = Object.keys(installed.packages).map((path) => path.split("node_modules/").at(-1));
    expect(names).toContain("cufflink");
    expect(names).not.toContain("node26");
    expect(names).not.toContain("vitest");
    expect(names).not.toContain("typescript");
  });

  test("embeds in a program of plain JavaScript, and tells TypeScript its types", async () => {
    const imports =
      'import { createRuntime } from "cufflink";\nimport { createApp } from "cufflink/app";\n';
    const program = `${imports}console.log(typeof createRuntime, typeof createApp);\n`;
    writeFileSync(join(home, "embed.js"), program);
    const { stdout } = await run("npx", ["--no-install", "node", "embed.js"], { cwd: home, env });
    expect(stdout).toBe("function function\n");

    writeFileSync(join(home, "right.ts"), `${imports}createRuntime;\ncreateApp().on;\n`);
    writeFileSync(join(home, "wrong.ts"), `${imports}createRuntime;\ncreateApp().nope;\n`);
    const types = ["--module", "nodenext", "--strict", "--noEmit"];
    const from = ["--typeRoots", join(root, "node_modules/@types"), "--types", "node"];
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    await run(process.execPath, [tsc, ...types, ...from, "right.ts"], { cwd: home });
    await expect(
      run(process.execPath, [tsc, ...types, ...from, "wrong.ts"], { cwd: home }),
    ).rejects.toThrow(expect.objectContaining({ stdout: expect.stringContaining("nope") }));
  });

  test("runs on the oldest Node that it allows", async () => {
    const node = await run("npx", ["--no-install", "node", "--version"], { cwd: home, env });
    expect(node.stdout.trim()).toBe(`v${manifest.engines.node.slice(2)}`);
    const { stdout } = await run("npx", ["--no-install", "cufflink", "--version"], {
      cwd: home,
      env,
    });
    expect(stdout.trim()).toBe(version);
  });

  test("keeps durable records there, by the thread of the library and that of the daemon", async () => {
    // The daemon's files have names that change; its thread is asked by the library.
    writeFileSync(
      join(home, "store.js"),
      `import { StoreThread } from "./node_modules/cufflink/dist/src/store/store-thread.js";
import { defaultRetention } from "./node_modules/cufflink/dist/src/store/store.js";
const options = { folder: process.argv[2], retention: defaultRetention, owner: "" };
const count = { fingerprint: "f", begun: 2, lastError: "", deadLettered: false };
const events = { trouble: console.error, notice: console.error, expired() {} };
for (const built of ["src/store", "daemon"]) {
  const file = new URL(\`./node_modules/cufflink/dist/\${built}/store-worker.js\`, import.meta.url);
  const thread = new StoreThread(options, events, file);
  await thread.ask("beginAttempt", ["orders", { ...count, identity: built }]);
  console.log((await thread.ask("loadAttempts", ["orders"])).map(({ identity }) => identity));
  await thread.close();
}
`,
    );
    const program = ["--no-install", "node", "store.js", join(temporary, "state")];
    const { stdout, stderr } = await run("npx", program, { cwd: home, env });
    expect(stderr).toBe("");
    expect(stdout).toBe("[ 'src/store' ]\n[ 'daemon', 'src/store' ]\n");
  });
});

function read(path: string): string {
  return readFileSync(join(root, path), "utf8");
}
