import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { defineBinding } from "../src/binding.ts";
import { bindings } from "../src/bindings/index.ts";
import { installCommand, loadDriver, missingDrivers } from "../src/drivers.ts";
import { component, startRuntime } from "./runtime/fake-binding.ts";

const name = "cufflink-test-driver";
const version = "2.3.4";

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "cufflink-drivers-"));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

function install(into: string, installed = version, source = "exports.from = __dirname;"): string {
  const path = join(into, "node_modules", name);
  mkdirSync(path, { recursive: true });
  writeFileSync(
    join(path, "package.json"),
    JSON.stringify({ name, version: installed, main: "./main.js" }),
  );
  writeFileSync(join(path, "main.js"), source);
  return path;
}

afterEach(() => void vi.restoreAllMocks());

describe("a driver", () => {
  test("comes from the working directory before the folder", () => {
    const [here, there] = [folder(), folder()];
    const installed = install(there);
    vi.spyOn(process, "cwd").mockReturnValue(here);
    expect(loadDriver(name, version, there)).toMatchObject({ from: installed });
    const nearer = install(here);
    expect(loadDriver(name, version, there)).toMatchObject({ from: nearer });
  });

  test("comes from the package before the working directory", () => {
    const here = folder();
    const path = join(here, "node_modules/yaml");
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, "package.json"), JSON.stringify({ name: "yaml", version: "2.0.0" }));
    writeFileSync(join(path, "index.js"), 'throw new Error("not this one");');
    vi.spyOn(process, "cwd").mockReturnValue(here);
    expect(loadDriver("yaml", "2.9.1", undefined)).toHaveProperty("parse");
  });

  test("may be a module of either kind", () => {
    const there = folder();
    const path = install(there);
    writeFileSync(
      join(path, "package.json"),
      JSON.stringify({ name, version, type: "module", exports: "./main.js" }),
    );
    writeFileSync(join(path, "main.js"), "export const kind = 'module';");
    expect(loadDriver(name, version, there)).toMatchObject({ kind: "module" });
  });

  test("that is not there is named, with the command to install it", () => {
    expect(() => loadDriver(name, version, undefined)).toThrow(
      `the driver ${name} is not installed; run: npm install ${name}@${version}`,
    );
    expect(() => loadDriver(name, version, "/srv/my drivers")).toThrow(
      `run: npm install --prefix '/srv/my drivers' ${name}@${version}`,
    );
  });

  test("of another major version is passed over", () => {
    const there = folder();
    install(there, "1.9.0");
    expect(() => loadDriver(name, version, there)).toThrow(
      `${name} 1.9.0 is there, which is another major version; run: npm install`,
    );
    expect(missingDrivers({ [name]: version }, there)).toEqual({ [name]: version });
  });

  test("that cannot be loaded says why", () => {
    const there = folder();
    install(there, version, 'throw new Error("no such system");');
    expect(() => loadDriver(name, version, there)).toThrow(/cannot be loaded: no such system/);
  });
});

test("one command installs all that are missing", () => {
  const there = folder();
  install(there);
  const needed = { [name]: version, "cufflink-b": "1.0.0", "cufflink-a": "3.1.0" };
  const command = installCommand(missingDrivers(needed, there), there);
  expect(command).toBe(`npm install --prefix ${there} cufflink-a@3.1.0 cufflink-b@1.0.0`);
});

test("without its driver a component is failed, and opens once it is there", async () => {
  const there = folder();
  const driven = defineBinding({
    name: "driven",
    status: "alpha",
    summary: "Needs a driver.",
    drivers: { [name]: version },
    metadata: {},
    operations: { create: { description: "Does nothing.", request: {}, async invoke() {} } },
    async open({ driver }) {
      driver(name);
      return { async [Symbol.asyncDispose]() {} };
    },
  });
  const { runtime } = startRuntime({ bindings: [driven], driversFolder: there });
  await runtime.apply([component("driven")]);
  expect(runtime.components()[0]).toMatchObject({
    state: "failed",
    reason: `the driver ${name} is not installed; run: npm install --prefix ${there} ${name}@${version}`,
  });
  install(there);
  await vi.waitFor(() => expect(runtime.components()[0]).toMatchObject({ state: "running" }), 5000);
});

test("each driver is an optional peer, and installed for the tests alone, in the version that is named", () => {
  const drivers: Record<string, string> = {};
  for (const binding of bindings) Object.assign(drivers, binding.drivers);
  const manifest = manifestIn("..");
  const peers = Object.entries(drivers).map(([driver, exact]) => [driver, `^${exact}`]);
  expect(manifest.peerDependencies ?? {}).toEqual(Object.fromEntries(peers));
  for (const driver of Object.keys(drivers))
    expect(manifest.peerDependenciesMeta?.[driver]).toEqual({ optional: true });
  expect(manifestIn("drivers").dependencies).toMatchObject(drivers);
  // What `npm ci` installs: neither a driver nor what else the tests bring along.
  const lock = JSON.parse(
    readFileSync(resolve(import.meta.dirname, "../package-lock.json"), "utf8"),
  ) as { packages: object };
  const installed = Object.keys(lock.packages);
  for (const name of Object.keys(manifestIn("drivers").dependencies ?? {}))
    expect(installed).not.toContain(`node_modules/${name}`);
});

type Manifest = Partial<
  Record<"dependencies" | "peerDependencies" | "peerDependenciesMeta", Record<string, unknown>>
>;

function manifestIn(folder: string): Manifest {
  const path = resolve(import.meta.dirname, folder, "package.json");
  return JSON.parse(readFileSync(path, "utf8")) as Manifest;
}
