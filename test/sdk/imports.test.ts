import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

const entry = join(import.meta.dirname, "../../src/sdk/index.ts");
const program = `
import { registerHooks } from "node:module";
const packages = new Set();
registerHooks({
  resolve(specifier, context, next) {
    const { url, ...rest } = next(specifier, context);
    const [, name] = /node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(url) ?? [];
    if (name !== undefined) packages.add(name);
    return { url, ...rest };
  },
});
await import(${JSON.stringify(entry)});
console.log([...packages].join());
`;

test("the library loads protobuf and no other package: an app starts quickly, and brings no Connect", () => {
  const args = ["--input-type=module", "--eval", program];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  expect(stdout.trim(), stderr).toBe("@bufbuild/protobuf");
});
