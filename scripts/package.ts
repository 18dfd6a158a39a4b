// Writes the two packages that are published: `node scripts/package.ts [--out FOLDER]`, FOLDER being dist/packages
// unless said otherwise. FOLDER/cufflink is the runtime, FOLDER/cufflink-app the library for apps alone, which needs
// none of the drivers. Their manifests are made here, so that nothing of the checkout's own (its scripts, its tools, the
// Node it may be installed with) reaches a user.
import {
  chmodSync,
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { build, bundled } from "./build.ts";

/** The oldest Node that every dependency runs on. */
const oldestNode = "22.22.0";

const root = resolve(import.meta.dirname, "..");
const { values } = parseArgs({
  options: { out: { type: "string", default: join(root, "dist/packages") } },
});

type Manifest = {
  version: string;
  license: string;
  homepage: string;
  repository: object;
  description: string;
  exports: Record<string, unknown>;
  dependencies: Record<string, string>;
  peerDependencies?: Record<string, string>;
  peerDependenciesMeta?: object;
};

const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Manifest;
const { version, license, homepage, repository } = manifest;
const common = { version, license, homepage, repository, type: "module" };
const engines = { node: `>=${oldestNode}` };

const out = resolve(values.out);
rmSync(out, { recursive: true, force: true });
const runtime = join(out, "cufflink");
await build(join(runtime, "dist"), true);
writeAppLibrary(join(out, "cufflink-app"), join(runtime, "dist"));
writeRuntime(runtime);

function writeRuntime(folder: string): void {
  const built = join(folder, "dist");
  rmSync(join(built, "stamp"));
  keepTypes(built);
  const launcher = join(folder, "dist/launcher.cjs");
  const text = readFileSync(join(root, "scripts/package/launcher.cjs"), "utf8");
  writeFileSync(launcher, text.replace("OLDEST_NODE", oldestNode));
  chmodSync(launcher, 0o755);
  cpSync(join(root, "scripts/package/start.cjs"), join(folder, "dist/start.cjs"));
  cpSync(join(root, "templates"), join(folder, "templates"), { recursive: true });
  cpSync(join(root, "proto"), join(folder, "proto"), { recursive: true });
  cpSync(join(root, "docs"), join(folder, "docs"), { recursive: true });
  cpSync(join(root, "schema"), join(folder, "schema"), { recursive: true });
  write(folder, {
    name: "cufflink",
    description: manifest.description,
    keywords: [
      ...["bindings", "connect", "cron", "dapr", "dead-letter", "events", "grpc", "kafka"],
      ...["messaging", "mqtt", "rabbitmq", "redis", "runtime", "sidecar", "webhook"],
    ],
    ...common,
    bin: { cufflink: "dist/launcher.cjs" },
    exports: manifest.exports,
    dependencies: Object.fromEntries(
      Object.entries(manifest.dependencies).filter(([name]) => !bundled.includes(name)),
    ),
    peerDependencies: manifest.peerDependencies,
    peerDependenciesMeta: manifest.peerDependenciesMeta,
    engines,
  });
}

/** Leaves what is bundled, and of the rest the types that the entries of the package name. */
function keepTypes(built: string): void {
  const entries = ["src/index.d.ts", "src/sdk/index.d.ts", "src/testkit/index.d.ts"];
  const kept = new Set(entries.flatMap((entry) => [...neededBy(join(built, entry), [".d.ts"])]));
  for (const name of globSync("{src,gen}/**/*", { cwd: built, withFileTypes: true })) {
    const file = join(name.parentPath, name.name);
    if (name.isFile() && !kept.has(file)) rmSync(file);
  }
  for (const folder of globSync("{src,gen}/**/", { cwd: built }).toSorted().toReversed()) {
    if (readdirSync(join(built, folder)).length === 0) rmdirSync(join(built, folder));
  }
}

function writeAppLibrary(folder: string, built: string): void {
  for (const file of neededBy(join(built, "src/sdk/index.js"))) {
    const copy = join(folder, "dist", relative(built, file));
    mkdirSync(dirname(copy), { recursive: true });
    cpSync(file, copy);
  }
  mkdirSync(join(folder, "docs"));
  for (const name of ["app-library.md", "event-streams.md"]) {
    cpSync(join(root, "docs", name), join(folder, "docs", name));
  }
  write(folder, {
    name: "cufflink-app",
    description:
      "The library for apps that run beside Cufflink: events in, invocations out, without a port.",
    keywords: ["bindings", "cufflink", "dapr", "events", "grpc", "messaging"],
    ...common,
    exports: {
      ".": { types: "./dist/src/sdk/index.d.ts", default: "./dist/src/sdk/index.js" },
      "./package.json": "./package.json",
    },
    dependencies: { "@bufbuild/protobuf": manifest.dependencies["@bufbuild/protobuf"] },
    engines,
  });
}

/** The module and all that it imports, with their types; or the types alone. */
function neededBy(entry: string, endings = [".js", ".d.ts"]): Set<string> {
  const found = new Set<string>();
  const waiting = [entry];
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (found.has(file) || !existsSync(file)) continue;
    found.add(file);
    const text = readFileSync(file, "utf8");
    for (const [, path = ""] of text.matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g)) {
      waiting.push(
        ...endings.map((ending) => join(dirname(file), path.replace(/\.[jt]s$/, ending))),
      );
    }
    waiting.push(file.replace(/\.js$/, ".d.ts"));
  }
  return found;
}

function write(folder: string, content: { name: string; [field: string]: unknown }): void {
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(content, null, 2)}\n`);
  cpSync(join(root, "scripts/package", `${content.name}.md`), join(folder, "README.md"));
  cpSync(join(root, "LICENSE"), join(folder, "LICENSE"));
  for (const page of globSync("{docs/**/,}*.md", { cwd: folder })) linkToRepository(folder, page);
  const files = readdirSync(folder).toSorted().join(", ");
  console.log(`${relative(process.cwd(), folder)}: ${files}`);
}

/** Links of a page to what the package does not hold lead to the repository. */
function linkToRepository(folder: string, page: string): void {
  const text = readFileSync(join(folder, page), "utf8");
  const linked = text.replaceAll(/\]\(([^)#:]+)(#[^)]*)?\)/g, (link, path: string, anchor = "") => {
    const target = join(dirname(page), path);
    if (existsSync(join(folder, target))) return link;
    return `](${homepage.replace(/#.*/, "")}/blob/main/${target}${anchor})`;
  });
  writeFileSync(join(folder, page), linked);
}
