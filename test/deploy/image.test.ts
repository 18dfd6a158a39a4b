// What the image's files say, compared with what they must agree with. test/operate/image builds and starts it.
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { bundled } from "../../scripts/build.ts";

const root = resolve(import.meta.dirname, "../..");
const dockerfile = read("deploy/image/Dockerfile");
const image = json("deploy/image/package.json");

type Manifest = {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
};
type Lock = { readonly packages: Readonly<Record<string, { readonly integrity?: string }>> };

test("the Node of the image is the project's own, by the same checksums", () => {
  const { version } = json("scripts/node26/package.json");
  expect(argument("NODE_VERSION")).toBe(version);
  const { packages } = json("package-lock.json");
  for (const [name, platform] of [
    ["NODE_SHA512_AMD64", "linux-x64"],
    ["NODE_SHA512_ARM64", "linux-arm64"],
  ] as const) {
    const { integrity = "" } = packages[`node_modules/node-${platform}`] ?? {};
    expect(`sha512-${Buffer.from(argument(name), "hex").toString("base64")}`).toBe(integrity);
  }
});

test("the image has what the package needs; the full one all drivers, in the versions that are tested", () => {
  const own = json("package.json");
  const needed = Object.entries(own.dependencies).filter(([name]) => !bundled.includes(name));
  expect(image.dependencies).toEqual(Object.fromEntries(needed));
  const tested = json("test/drivers/package.json").dependencies;
  const drivers = Object.keys(own.peerDependencies).map((name) => [name, tested[name]]);
  expect(image.devDependencies).toEqual(Object.fromEntries(drivers));
  const { packages } = json("deploy/image/package-lock.json");
  expect(packages[""]).toMatchObject({
    dependencies: image.dependencies,
    devDependencies: image.devDependencies,
  });
  const unchecked = Object.entries(packages).filter(
    ([place, { integrity }]) => place !== "" && integrity === undefined,
  );
  expect(unchecked).toEqual([]);
  expect(read("deploy/image/package-lock.json")).not.toMatch(/"resolved"/);
});

function argument(name: string): string {
  return new RegExp(`^ARG ${name}=(.*)$`, "m").exec(dockerfile)?.[1] ?? "";
}

function json(path: string): Manifest & Lock {
  return JSON.parse(read(path)) as Manifest & Lock;
}

function read(path: string): string {
  return readFileSync(join(root, path), "utf8");
}
