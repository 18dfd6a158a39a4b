import { execFile } from "node:child_process";
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { version } from "../src/version.ts";
import { startDaemon } from "./e2e/daemon.ts";

type Manifest = {
  version: string;
  license: string;
  homepage: string;
  repository: object;
  keywords?: string[];
  scripts?: object;
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
  const drivers = JSON.parse(read("test/drivers/package.json")) as Manifest;
  const versions = {
    ...{ ...manifest.dependencies, ...manifest.devDependencies },
    ...drivers.dependencies,
  };
  const loose = Object.entries(versions).filter(
    ([, one]) => !/^(\d+\.\d+\.\d+|file:.*)$/.test(one),
  );
  expect(loose).toEqual([]);
});

test("the lock names no registry, and every platform's packages", async () => {
  for (const lock of ["package-lock.json", "test/drivers/package-lock.json"])
    expect(read(lock).match(/"resolved": "https?:[^"]*"/g)).toBeNull();
  await run(process.execPath, [join(root, "scripts/complete-lock.ts"), "--check"]);
});

describe("the published packages", () => {
  const packages = join(temporary, "packages");
  const home = join(temporary, "home");
  const env = {
    ...process.env,
    PATH: [dirname(process.execPath), process.env["PATH"]].join(delimiter),
  };
  let oldest = "";

  beforeAll(async () => {
    await run(process.execPath, [join(root, "scripts/package.ts"), "--out", packages]);
    oldest = manifestOf("cufflink").engines.node.slice(2);
    await packAndInstall("cufflink", home, [
      // The oldest Node that `engines` allows; npx finds it before any other.
      `node-${process.platform}-${process.arch}@${oldest}`,
    ]);
  }, 180_000);

  function manifestOf(name: string): Manifest {
    return JSON.parse(readFileSync(join(packages, name, "package.json"), "utf8")) as Manifest;
  }

  /** Installs a package as its users do, into a folder of its own. */
  async function packAndInstall(name: string, into: string, others: string[] = []): Promise<void> {
    const pack = ["pack", "--json", "--pack-destination", temporary];
    const { stdout } = await run("npm", pack, { cwd: join(packages, name), env });
    const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
    mkdirSync(into);
    writeFileSync(join(into, "package.json"), '{ "name": "empty", "type": "module" }');
    const install = ["install", "--prefer-offline", "--no-audit", "--no-fund"];
    const installed = await run("npm", [...install, join(temporary, filename), ...others], {
      cwd: into,
      env,
    });
    expect(installed.stderr).not.toMatch(/warn/);
  }

  function installedIn(folder: string): string[] {
    const installed = JSON.parse(
      readFileSync(join(folder, "node_modules/.package-lock.json"), "utf8"),
    ) as { packages: object };
    return Object.keys(installed.packages).map((path) => path.split("node_modules/").at(-1) ?? "");
  }

  test("holds the build, the protos, the schema, the docs and the papers, and nothing else", () => {
    expect(readdirSync(join(packages, "cufflink")).toSorted()).toEqual(
      ["LICENSE", "README.md", "dist", "docs", "package.json", "proto", "schema"].toSorted(),
    );
    const sources = globSync("**/*.{ts,map}", { cwd: join(packages, "cufflink") });
    expect(sources.filter((path) => !path.endsWith(".d.ts"))).toEqual([]);
  });

  test.each(["cufflink", "cufflink-app"])(
    "%s says where it is from, and has no scripts",
    (name) => {
      const { scripts, keywords, homepage, repository, license } = manifestOf(name);
      expect(scripts).toBeUndefined();
      expect({ homepage, license }).toEqual({
        homepage: manifest.homepage,
        license: "Apache-2.0",
      });
      expect(repository).toEqual(manifest.repository);
      expect(keywords).toContain("dapr");
    },
  );

  test.each(["cufflink", "cufflink-app"])("the links of %s lead somewhere", (name) => {
    const pages = globSync("{docs/**/,}*.md", { cwd: join(packages, name) });
    expect(pages.length).toBeGreaterThan(1);
    const broken: string[] = [];
    for (const page of pages) {
      const text = readFileSync(join(packages, name, page), "utf8");
      for (const [, target = ""] of text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)) {
        const repository = `${manifest.homepage.replace(/#.*/, "")}/blob/main/`;
        if (/^https?:/.test(target) && !target.startsWith(repository)) continue;
        const file = target.startsWith(repository)
          ? join(root, target.slice(repository.length))
          : join(packages, name, dirname(page), target);
        if (!existsSync(file)) broken.push(`${page}: ${target}`);
      }
    }
    expect(broken).toEqual([]);
  });

  test("brings no Node and no tool of the project's own", () => {
    const names = installedIn(home);
    expect(names).toContain("cufflink");
    expect(names).not.toContain("node26");
    expect(names).not.toContain("vitest");
    expect(names).not.toContain("typescript");
  });

  test("a Node that is too old is told so in a sentence", async () => {
    const old = join(temporary, "old-node.cjs");
    writeFileSync(
      old,
      'Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.20.2" } });',
    );
    const launcher = join(home, "node_modules/cufflink/dist/launcher.cjs");
    await expect(run(process.execPath, ["--require", old, launcher, "--version"])).rejects.toThrow(
      expect.objectContaining({
        code: 69,
        stdout: "",
        stderr: expect.stringMatching(
          /^cufflink: this is Node 20\.20\.2 \(.*\), and cufflink needs Node 22\.22\.0 or newer\..*\n$/,
        ),
      }),
    );
  });

  test("the library for apps alone brings protobuf and no driver, and works", async () => {
    const place = join(temporary, "app-alone");
    await packAndInstall("cufflink-app", place);
    expect(installedIn(place).toSorted()).toEqual(["@bufbuild/protobuf", "cufflink-app"]);
    await using daemon = await startDaemon({
      components: [
        {
          name: "notes",
          type: "bindings.localstorage",
          metadata: { rootPath: join(place, "notes") },
        },
      ],
    });
    writeFileSync(
      join(place, "app.js"),
      `import { createApp } from "cufflink-app";
const app = createApp();
await app.start();
await app.invoke("notes", "create", { data: "hello", metadata: { fileName: "a" } });
await app.close();
`,
    );
    const runtime = { DAPR_GRPC_PORT: String(daemon.grpcPort) };
    await run(process.execPath, ["app.js"], { cwd: place, env: { ...env, ...runtime } });
    expect(readFileSync(join(place, "notes/a"), "utf8")).toBe("hello");
    await compiles(place, 'import { createApp } from "cufflink-app";\ncreateApp().', "on", "nope");
  }, 60_000);

  test("embeds in a program of plain JavaScript, and tells TypeScript its types", async () => {
    const imports =
      'import { createRuntime } from "cufflink";\nimport { createApp } from "cufflink/app";\n';
    const program = `${imports}console.log(typeof createRuntime, typeof createApp);\n`;
    writeFileSync(join(home, "embed.js"), program);
    const { stdout } = await run("npx", ["--no-install", "node", "embed.js"], { cwd: home, env });
    expect(stdout).toBe("function function\n");

    await compiles(home, `${imports}createRuntime;\ncreateApp().`, "on", "nope");
  });

  /** TypeScript knows the types: the program compiles with `right` at its end, and not with `wrong`. */
  async function compiles(
    place: string,
    program: string,
    right: string,
    wrong: string,
  ): Promise<void> {
    for (const end of [right, wrong])
      writeFileSync(join(place, `${end}.ts`), `${program}${end};\n`);
    const types = ["--module", "nodenext", "--strict", "--noEmit"];
    const from = ["--typeRoots", join(root, "node_modules/@types"), "--types", "node"];
    const tsc = [join(root, "node_modules/typescript/bin/tsc"), ...types, ...from];
    await run(process.execPath, [...tsc, `${right}.ts`], { cwd: place });
    await expect(run(process.execPath, [...tsc, `${wrong}.ts`], { cwd: place })).rejects.toThrow(
      expect.objectContaining({ stdout: expect.stringContaining(wrong) }),
    );
  }

  test("runs on the oldest Node that it allows", async () => {
    const node = await run("npx", ["--no-install", "node", "--version"], { cwd: home, env });
    expect(node.stdout.trim()).toBe(`v${oldest}`);
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
