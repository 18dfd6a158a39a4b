import { execFile } from "node:child_process";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { folder } from "../resources/folder.ts";
import { componentOf, nothing } from "./files.ts";

// In a process of their own: vitest loads modules by itself.
const main = resolve(import.meta.dirname, "../../src/main.ts");

/** Some processes start in turn. */
const many = { timeout: 90_000 };

type Ended = { code: number; stdout: string; stderr: string };

async function cufflink(cwd: string, ...args: string[]): Promise<Ended> {
  const running = promisify(execFile)(process.execPath, [main, ...args], { cwd });
  return running.then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: unknown) => error as Ended,
  );
}

test("each mistake of a named file is told with its place, all at once", many, async () => {
  const place = folder({
    "components/a.yaml": componentOf("acme.fine"),
    "fine.ts": nothing("acme.fine"),
    "enum.ts": nothing("acme.enum", "const a = 1;\n\nenum Colour { red }\n"),
    "syntax.ts": "const a = 1;\nconst b = ;\n",
    "throws.ts": 'import "cufflink";\n\nthrow new Error("no luck");\n',
    "helper.ts": '\n\nthrow new Error("in a helper");\n',
    "helped.ts": nothing("acme.helped", 'import "./helper.ts";\n'),
    "unknown.ts": 'import { nosuch } from "cufflink";\nexport default nosuch;\n',
    "missing.ts": nothing("acme.missing", '// a line\nimport "./nowhere.ts";\n'),
    "unpacked.ts": nothing("acme.unpacked", 'import "no-such-package";\n'),
    "other.ts": "export const other = 1;\n",
    "taken.ts": nothing("redis"),
    "alias.ts": nothing("acme.alias").replace("status:", 'aliases: ["mqtt"],\n  status:'),
    "twice.ts": nothing("acme.fine"),
    "number.ts": "export default 5;\n",
    "shape.ts": `import { fields } from "cufflink";

export default {
  name: "bindings.shape",
  status: "good",
  sumary: "Wrong.",
  metadata: { url: "text" },
  open: 5,
  operations: {
    create: {
      description: "",
      request: { id: fields.string({ description: "An id." }), size: 1 },
      invok() {},
    },
  },
};
`,
  });
  const names = [
    ...["fine", "fine", "enum", "syntax", "throws", "helped", "unknown", "missing", "unpacked"],
    ...["other", "taken", "alias", "twice", "number", "shape", "nowhere"],
  ].map((name) => `./${name}.ts`);
  const named = [...names, "components", ".", "cufflink-binding-nowhere"];
  const flags = named.flatMap((name) => ["--bindings", name]);
  const { code, stderr } = await cufflink(place, "check", ...flags, "components");
  expect(code).toBe(69);
  expect(stderr.trim().split("\n")).toEqual([
    "cufflink: enum.ts:3: TypeScript enum is not supported in strip-only mode: Node only strips types; use syntax that is erased (`erasableSyntaxOnly` of tsc tells), or compile it",
    "syntax.ts:2: it is no valid TypeScript: Expression expected",
    "throws.ts:3: it throws when it is imported: no luck",
    "helper.ts:3: it throws when it is imported: in a helper",
    "unknown.ts:1: it imports what is not there: The requested module 'cufflink' does not provide an export named 'nosuch'",
    `missing.ts:2: Cannot find module '${join(place, "nowhere.ts")}'`,
    "unpacked.ts:1: Cannot find package 'no-such-package'",
    "other.ts:1: has no default export; write `export default defineBinding({ … })` (it exports other)",
    "taken.ts:3: the type `bindings.redis` is taken by Cufflink itself; choose another name",
    "alias.ts:4: the type `bindings.mqtt` is taken by Cufflink itself; choose another name",
    "twice.ts:3: the type `bindings.acme.fine` is taken by fine.ts; choose another name",
    "number.ts:1: the binding is no binding; make it by `defineBinding({ … })`",
    'shape.ts:4: `name` "bindings.shape" must be without `bindings.`',
    'shape.ts:5: `status` must be one of stable, beta, alpha, and is "good"',
    "shape.ts:3: `summary` is missing",
    'shape.ts:7: `metadata.url` must be a field, such as `fields.string({ description: "…" })`, and is a text',
    "shape.ts:8: `open` must be a function, and is a number",
    "shape.ts:11: `operations.create.description` must be a text, and is empty",
    'shape.ts:12: `operations.create.request.size` must be a field, such as `fields.string({ description: "…" })`, and is a number',
    "shape.ts:10: `operations.create.invoke` is missing",
    "shape.ts:13: `operations.create.invok` is not known; did you mean `invoke`?",
    "shape.ts:6: `sumary` is not known; did you mean `summary`?",
    "--bindings ./nowhere.ts: nowhere.ts does not exist",
    "--bindings components: components is a folder; name the file in it",
    `--bindings .: ${place} is a folder; name the file in it`,
    `--bindings cufflink-binding-nowhere: there is no such file, and no package in ${join(place, "node_modules")}; run: npm install cufflink-binding-nowhere`,
  ]);
});

const manifest = (fields: object): string => JSON.stringify({ type: "module", ...fields });

test(
  "packages of the working directory are found by their name, and one that is broken stops no other",
  many,
  async () => {
    const packages = "node_modules";
    const place = folder({
      // npm begins a manifest so, which does not make TypeScript another language.
      "package.json": JSON.stringify({ type: "commonjs" }),
      "own.ts": nothing("acme.own"),
      "components/a.yaml": ["acme.own", "acme.plain", "acme.scoped"].map(componentOf).join("---\n"),
      [`${packages}/cufflink-binding-plain/package.json`]: manifest({ main: "main.js" }),
      [`${packages}/cufflink-binding-plain/main.js`]: nothing("acme.plain"),
      [`${packages}/@acme/cufflink-binding-scoped/package.json`]: manifest({
        exports: { import: "./main.js" },
      }),
      [`${packages}/@acme/cufflink-binding-scoped/main.js`]: nothing("acme.scoped"),
      [`${packages}/cufflink-binding-typed/package.json`]: manifest({ main: "main.ts" }),
      [`${packages}/cufflink-binding-typed/main.ts`]: nothing("acme.typed"),
      [`${packages}/cufflink-binding-empty/package.json`]: manifest({ main: "nowhere.js" }),
      [`${packages}/cufflink-other/package.json`]: manifest({ main: "main.js" }),
      [`${packages}/cufflink-other/main.js`]: 'throw new Error("it is not to be loaded");\n',
      // A copy of Cufflink of the project's is not the one that runs.
      [`${packages}/cufflink/package.json`]: manifest({ exports: "./main.js" }),
      [`${packages}/cufflink/main.js`]: 'throw new Error("another copy");\n',
    });
    const { code, stdout } = await cufflink(place, "check", "--bindings", "own.ts", "components");
    const [first, second, ...rest] = stdout.trim().split("\n\n");
    expect(first).toMatch(/^the package cufflink-binding-empty cannot be loaded: Cannot find/);
    expect(second).toBe(
      "node_modules/cufflink-binding-typed/main.ts:1: Node strips no types below node_modules; a package has to ship JavaScript",
    );
    expect({ code, rest }).toEqual({ code: 1, rest: ["3 components: no problems"] });

    const named = ["--bindings", "own.ts", "--bindings", "cufflink-binding-plain"];
    const schema = await cufflink(place, "types", ...named, "--schema");
    expect(schema.stdout).toContain("bindings.acme.scoped");
    const types = await cufflink(place, "types", ...named, "--json");
    const list = JSON.parse(types.stdout) as { type: string; name: string }[];
    expect(list.map(({ name }) => name).filter((name) => name.startsWith("acme."))).toEqual([
      "acme.own",
      "acme.plain",
      "acme.scoped",
    ]);
    expect(types.stderr).toContain("Node strips no types below node_modules");
    const generated = await cufflink(
      place,
      ...["generate", "ts", ...named, "--resources", "components"],
    );
    expect(generated.stdout).toContain("acme-scoped");
    const completion = await cufflink(place, "completion", "bash", ...named);
    expect(completion.stdout).toContain("acme.own");
  },
);
