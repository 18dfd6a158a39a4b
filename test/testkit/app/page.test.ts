import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { blocks, root } from "../../docs/pages.ts";
import { folder } from "../../resources/folder.ts";

const example = join(root, "examples/testkit");
const [yaml, handlers, tests] = blocks().filter(
  ({ page, language }) => page === "docs/testing-apps.md" && language !== "",
);

test.each([
  ["components/shop.yaml", yaml],
  ["shop.ts", handlers],
  ["shop.test.ts", tests],
])("the page shows %s of the example", (file, block) => {
  const text = readFileSync(join(example, file), "utf8")
    .replaceAll(/^\/\/ In a project of your own:.*\n/gm, "")
    .replaceAll('"../../src/index.ts"', '"cufflink"')
    .replaceAll('"../../src/testkit/index.ts"', '"cufflink/testkit"');
  expect(block?.text).toBe(text.trimEnd());
});

test(
  "its tests pass in a project that has the package, under `node --test`",
  { timeout: 120_000 },
  async () => {
    const project = folder({
      "package.json": '{ "type": "module" }',
      "shop.ts": handlers?.text ?? "",
      "shop.test.ts": tests?.text ?? "",
    });
    mkdirSync(join(project, "components"));
    writeFileSync(join(project, "components/shop.yaml"), yaml?.text ?? "");
    const installed = join(project, "node_modules/cufflink");
    mkdirSync(installed, { recursive: true });
    symlinkSync(join(root, "src"), join(installed, "src"));
    const exports = { ".": "./src/index.ts", "./testkit": "./src/testkit/index.ts" };
    const manifest = { name: "cufflink", type: "module", exports };
    writeFileSync(join(installed, "package.json"), JSON.stringify(manifest));
    const env = { ...process.env, NODE_OPTIONS: "", NODE_TEST_CONTEXT: undefined };
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--test", "--test-reporter=tap", "shop.test.ts"],
      { cwd: project, env },
    );
    expect(stdout).toContain("# pass 6\n# fail 0\n");
  },
);
