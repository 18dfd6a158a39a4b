import { execFile } from "node:child_process";
import {
  existsSync,
  globSync,
  lstatSync,
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
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core";
import { publint } from "publint";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { version } from "../src/version.ts";
import { startDaemon } from "./e2e/daemon.ts";
import { effectsWith, expectedEffects } from "./own-bindings/effects.ts";
import { followGuide } from "./own-bindings/guide.ts";

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

/** What attw finds. */
type Problem = { readonly kind: string; readonly resolutionKind: string };

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

test("the checkout itself cannot be packed, and says what can", async () => {
  const packed = run("npm", ["pack", "--dry-run"], { cwd: root });
  await expect(packed).rejects.toMatchObject({
    stderr: expect.stringContaining("made by: npm run package") as string,
  });
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
    const pack = ["pack", "./cufflink", "./cufflink-app", "--pack-destination", temporary];
    await run("npm", pack, { cwd: packages, env });
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
    mkdirSync(into);
    writeFileSync(join(into, "package.json"), '{ "name": "empty", "type": "module" }');
    const install = ["install", "--prefer-offline", "--no-audit", "--no-fund"];
    const installed = await run("npm", [...install, packedFile(name), ...others], {
      cwd: into,
      env,
    });
    expect(installed.stderr).not.toMatch(/warn/);
  }

  function installedIn(folder: string): { names: string[]; scripts: string[] } {
    const file = join(folder, "node_modules/.package-lock.json");
    const { packages: installed } = JSON.parse(readFileSync(file, "utf8")) as {
      packages: Record<string, { hasInstallScript?: true }>;
    };
    const nameOf = (path: string): string => path.split("node_modules/").at(-1) ?? "";
    return {
      names: Object.keys(installed).map(nameOf),
      scripts: Object.keys(installed).filter((path) => installed[path]?.hasInstallScript),
    };
  }

  /** The bytes that a folder's files take on the disk, in its blocks. */
  function onDisk(folder: string): number {
    return globSync("**/*", { cwd: folder, withFileTypes: true })
      .map(({ parentPath, name }) => lstatSync(join(parentPath, name)).blocks * 512)
      .reduce((sum, one) => sum + one, 0);
  }

  function packedFile(name: string): string {
    return join(temporary, `${name}-${version}.tgz`);
  }

  test("holds the build, the protos, the schema, the docs and the papers, and nothing else", () => {
    expect(readdirSync(join(packages, "cufflink")).toSorted()).toEqual([
      "LICENSE",
      "README.md",
      "dist",
      "docs",
      "package.json",
      "proto",
      "schema",
      "templates",
    ]);
    const sources = globSync("**/*.{ts,map}", { cwd: join(packages, "cufflink") });
    expect(sources.filter((path) => !/\.d\.ts$|^templates\//.test(path))).toEqual([]);
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

  test("is light, brings no Node and no tool of the project's own, and runs no script", () => {
    const { names, scripts } = installedIn(home);
    const own = names.filter((name) => !name.startsWith("node-"));
    expect(own).toContain("cufflink");
    for (const tool of ["node26", "vitest", "typescript"]) expect(own).not.toContain(tool);
    expect(scripts).toEqual([]);
    // Measured in docs/decisions/two-packages.md.
    expect(own.length).toBeLessThan(60);
    const bytes = own.reduce((sum, name) => sum + onDisk(join(home, "node_modules", name)), 0);
    expect(bytes).toBeLessThan(40e6);
  });

  test.each(["cufflink", "cufflink-app"])("attw and publint find nothing in %s", async (name) => {
    const packed = createPackageFromTarballData(readFileSync(packedFile(name)));
    const { problems } = (await checkPackage(packed)) as { problems: Problem[] };
    // It is for `import` alone: what attw calls its profile esm-only.
    const wrong = problems.filter(({ resolutionKind }) => !/^node1(0|6-cjs)$/.test(resolutionKind));
    expect(wrong).toEqual([]);
    const { messages } = await publint({ pkgDir: join(packages, name), strict: true });
    expect(messages).toEqual([]);
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
    expect(installedIn(place).names.toSorted()).toEqual(["@bufbuild/protobuf", "cufflink-app"]);
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

  test("keeps durable records there", async () => {
    writeFileSync(
      join(home, "store.js"),
      `import { createRuntime } from "cufflink";
const runtime = await createRuntime({
  stateDir: process.argv[2],
  components: [{
    apiVersion: "dapr.io/v1alpha1", kind: "Component", metadata: { name: "daily" },
    spec: { type: "bindings.cron", version: "v1", metadata: [{ name: "schedule", value: "@daily" }] },
  }],
  app: { bindings: { daily() {} } },
});
const paused = () => runtime.components()[0].paused;
if (process.argv[3] === "pause") await runtime.pause("daily", { by: "somebody" });
// What was stored is read once the component is connected.
while (paused() === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
console.log(paused().by);
await runtime.close();
`,
    );
    const program = ["--no-install", "node", "store.js", join(temporary, "state")];
    const expected = { stdout: "somebody\n", stderr: "" };
    for (const what of ["pause", "look"])
      expect(await run("npx", [...program, what], { cwd: home, env })).toEqual(expected);
  });

  test("the guide to a binding of one's own can be followed", { timeout: 60_000 }, async () => {
    const bin = join(home, "node_modules/.bin");
    const PATH = [bin, env.PATH].join(delimiter);
    const ran = await followGuide(home, { ...env, PATH });
    const outputOf = (part: string): string =>
      ran.find(({ command }) => command.includes(part))?.output ?? "";
    expect(outputOf("check")).toBe("1 component: no problems\n");
    expect(outputOf("types")).toContain("How it greets.");
    expect(outputOf("run")).toContain("app | GOOD MORNING, WORLD");
    expect(outputOf("bindings.test.ts")).toMatch(/[#ℹ] fail 0/);
    expect(outputOf("new binding")).toContain(
      "acme-tickets.ts is the binding bindings.acme.tickets",
    );
    expect(outputOf("acme-tickets.test.ts")).toMatch(/[#ℹ] fail 0/);
  });

  // Where the package is reached by the name from the file, and by npx and globally: `npm run test:newcomer`.
  test("knows the effects of the failures of a binding that lies elsewhere", async () => {
    const launcher = join(home, "node_modules/cufflink/dist/launcher.cjs");
    const place = join(temporary, "elsewhere");
    expect(await effectsWith([process.execPath, launcher], place)).toEqual(expectedEffects);
  });
});

function read(path: string): string {
  return readFileSync(join(root, path), "utf8");
}
