import * as fc from "fast-check";
import { execFileSync } from "node:child_process";
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readConfiguration } from "../../../src/resources/configuration.ts";
import { loadResources } from "../../../src/resources/load.ts";
import { ResourceMemory } from "../../../src/resources/memory.ts";
import { formatProblem } from "../../../src/resources/problem.ts";
import type { Target } from "../target.ts";

/** What may lie in a folder under some name. */
type Entry =
  | { readonly kind: "component" | "broken" | "folder" | "circle" | "dangling" | "binary" }
  | { readonly kind: "other"; readonly what: (typeof others)[number]; readonly link: boolean };

/** How the folder looks at some time; names that are in none of it are not there. */
type Look = Readonly<Record<string, Entry>>;
type Input = { readonly looks: readonly Look[]; readonly secret: string };

const others = ["pipe", "socket", "huge", "zero", "random", "tty", "null"] as const;
const devices: ReadonlySet<string> = new Set(["zero", "random", "tty", "null"]);

const names = [
  ...["a.yaml", "b.yml", "C.YAML", "d e.yaml", "f\n.yaml", "ü.yml", "..data", ".hidden.yaml"],
  ...["g.yam", "h.json", "i", "-.yaml", "$(j).yaml", "k.yaml.yaml"],
];
const isRead = (name: string): boolean => !name.startsWith(".") && /\.ya?ml$/i.test(name);

const entry: fc.Arbitrary<Entry> = fc.oneof(
  fc
    .constantFrom(...(["component", "broken", "folder", "circle", "dangling", "binary"] as const))
    .map((kind) => ({ kind })),
  fc.record({
    kind: fc.constant("other" as const),
    what: fc.constantFrom(...others),
    link: fc.boolean(),
  }),
);

const componentOf = (name: string): string => `c${names.indexOf(name)}`;
const yaml = (name: string, rest = ""): string =>
  `apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: ${name}}\nspec: {type: bindings.probe, version: v1${rest}}\n`;

/** Resource and secret folders in which lie things that are no files, or that are where files were before. */
export const resourceFolders: Target<Input> = {
  name: "folders",
  input: fc.record({
    looks: fc.array(fc.dictionary(fc.constantFrom(...names), entry, { maxKeys: 8 }), {
      minLength: 1,
      maxLength: 3,
    }),
    secret: fc.constantFrom(...names, "..", "a/b", ""),
  }),
  async start() {
    const root = mkdtempSync(join(tmpdir(), "cufflink-fuzz-folders-"));
    const things = join(root, "things");
    mkdirSync(things);
    execFileSync("mkfifo", [join(things, "pipe")]);
    const server = createServer().listen(join(things, "socket"));
    await new Promise((listening) => server.once("listening", listening));
    writeFileSync(join(things, "huge"), "");
    truncateSync(join(things, "huge"), 2 ** 40);
    return {
      async check({ looks, secret }) {
        const folder = join(root, "looked-at");
        const memory = new ResourceMemory();
        /** What the files under these names define: a file that cannot be read defines what it did before. */
        let defined = new Set<string>();
        for (const look of looks) {
          rmSync(folder, { recursive: true, force: true });
          mkdirSync(folder);
          writeFileSync(join(folder, "z-good.yaml"), yaml("good") + secretYaml(folder, secret));
          for (const [name, one] of Object.entries(look)) put(folder, name, one);
          const loaded = await loadResources({ paths: [folder], appId: "fuzz", env: {}, memory });
          for (const problem of loaded.problems) formatProblem(problem, { color: true });
          await readConfiguration([folder]);

          defined = definedBy(look, defined);
          const found = loaded.components.map(({ name }) => name).sort();
          const expected = [...defined, "good", "with-secret"].sort();
          if (found.join() !== expected.join())
            throw new Error(`${found.join()} are there instead of ${expected.join()}`);
          const told = new Set(loaded.problems.map(({ file }) => file));
          for (const [name, { kind }] of Object.entries(look)) {
            if (isRead(name) && kind !== "component" && !told.has(join(folder, name)))
              throw new Error(`nothing is told of ${name}`);
          }
        }
      },
      async [Symbol.asyncDispose]() {
        server.close();
        rmSync(root, { recursive: true, force: true });
      },
    };

    function put(folder: string, name: string, one: Entry): void {
      const path = join(folder, name);
      if (one.kind === "other") {
        const isDevice = devices.has(one.what);
        const thing = isDevice ? `/dev/${one.what}` : join(things, one.what);
        if (one.link || isDevice) symlinkSync(thing, path);
        else linkSync(thing, path);
      } else if (one.kind === "component") writeFileSync(path, yaml(componentOf(name)));
      else if (one.kind === "broken") writeFileSync(path, "a: [b");
      else if (one.kind === "binary") writeFileSync(path, Buffer.from([0, 1, 2, 255]));
      else if (one.kind === "folder") mkdirSync(path);
      else if (one.kind === "circle") symlinkSync(name, path);
      else symlinkSync("nowhere", path);
    }
  },
};

/** A component of which a secret is a file of the folder itself. */
function secretYaml(folder: string, secret: string): string {
  const store = `, metadata: [{name: secretsFile, value: ${JSON.stringify(folder)}}]`;
  const key = JSON.stringify(secret);
  const reference = `, metadata: [{name: a, secretKeyRef: {name: ${key}, key: ${key}}}]`;
  return [
    "---\n",
    yaml("vault", store).replace("bindings.probe", "secretstores.local.file"),
    "---\nauth: {secretStore: vault}\n",
    yaml("with-secret", reference),
  ].join("");
}

function definedBy(look: Look, before: ReadonlySet<string>): Set<string> {
  const now = Object.entries(look).filter(([name, { kind }]) => {
    if (!isRead(name)) return false;
    if (kind === "component") return true;
    // These two are no file at all.
    if (kind === "folder" || kind === "dangling") return false;
    return before.has(componentOf(name));
  });
  return new Set(now.map(([name]) => componentOf(name)));
}
