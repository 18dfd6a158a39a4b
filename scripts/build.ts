// Builds dist/: `node scripts/build.ts [--no-check] [--out FOLDER]`. dist/src has the types, and a file a module;
// dist/daemon is the program and the library, in few files, as each file costs the start and its memory; with what each
// binding declares, so that a component that waits for its first use needs no code before; dist/console is the console's page.
//
// The new files are put in place at once, so that a daemon starting meanwhile finds a whole build.
// The stamp carries the time the build began; bin/cufflink compares it with the sources.
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { isBuiltin } from "node:module";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { type ChunkingContext, rolldown } from "rolldown";
import { bindings } from "../src/bindings/index.ts";
import { writeDeclarations } from "../src/cli/declarations.ts";
import { buildConsole } from "./build-console.ts";
import { builtinImports } from "./builtin-imports.ts";

type CodeSplittingName = (id: string, context: ChunkingContext) => string | null;

const root = resolve(import.meta.dirname, "..");

/**
 * Packages that are put into our files: those that every start needs, and those whose own dependencies are many and of no
 * use here. All others stay as they are, and are loaded where they are wanted.
 */
export const bundled = [
  "@bufbuild/protobuf",
  "@connectrpc/connect",
  "@opentelemetry/api",
  "@opentelemetry/core",
  "@opentelemetry/exporter-zipkin",
  "@opentelemetry/otlp-exporter-base",
  "@opentelemetry/otlp-transformer",
  "@opentelemetry/resources",
  "@opentelemetry/sdk-metrics",
  "@opentelemetry/sdk-trace",
  "asn1js",
  "commander",
  "ioredis",
  "mqtt-packet",
  "pino",
  "pkijs",
  "yaml",
];

/** What the bundled ones need in turn. */
const theirs = [
  ...["@noble/hashes", "@peculiar/utils", "bytestreamjs"],
  ...["@opentelemetry/sdk-logs", "@opentelemetry/semantic-conventions"],
  ...["@ioredis/commands", "@pinojs/redact", "atomic-sleep", "bl", "cluster-key-slot", "debug"],
  ...["denque", "inherits", "ms", "on-exit-leak-free", "pino-abstract-transport"],
  ...["pino-std-serializers", "process-nextick-args", "process-warning", "quick-format-unescaped"],
  ...["readable-stream", "real-require", "redis-errors", "safe-stable-stringify", "sonic-boom"],
  ...["standard-as-callback", "thread-stream"],
];

/** What is loaded together: by each command, by a daemon that starts, and by each entry of the library. */
const together: readonly (readonly string[])[] = [
  ["cli/main.js", "cli/exit-now.js"],
  [
    ...["cli/serve.js", "cli/process-signals.js", "cli/serve-log.js"],
    ...["own-bindings/packages.js", "own-bindings/load.js"],
  ],
  ["index.js"],
  ["testkit/index.js"],
  ["sdk/index.js"],
];

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      "no-check": { type: "boolean", default: false },
      out: { type: "string", default: join(root, "dist") },
    },
  });
  await build(resolve(values.out), values["no-check"]);
}

/** Builds the library and the program into the folder `out`. `unchecked`: types are not checked. */
export async function build(out: string, unchecked: boolean): Promise<void> {
  const began = new Date();
  const fresh = `${out}.${process.pid}`;
  const stale = `${fresh}.old`;
  try {
    compile(fresh, unchecked);
    // The library is of the same files as the program, so that both have the same classes.
    const program = join(fresh, "daemon");
    const packages = await bundle(program, join(fresh, "src"), {
      main: join(fresh, "src/main.js"),
      index: join(fresh, "src/index.js"),
      app: join(fresh, "src/sdk/index.js"),
      testkit: join(fresh, "src/testkit/index.js"),
    });
    // By themselves, as together they would be split into more files. The program looks for them beside it.
    const workers = [
      "src/cli/serve-worker.js",
      "src/store/sqlite/store-worker.js",
      "src/bindings/wasm/guest-worker.js",
    ];
    for (const worker of workers)
      await bundle(program, join(fresh, "src"), { [basename(worker, ".js")]: join(fresh, worker) });
    const ofThePage = await buildConsole(join(fresh, "console"));
    const licences = [...new Set([...packages, ...ofThePage])].toSorted().map(licenseOf);
    writeFileSync(join(program, "THIRD-PARTY-LICENSES"), licences.join("\n----\n\n"));
    chmodSync(join(program, "main.js"), 0o755);
    writeDeclarations(bindings, program);
    writeFileSync(join(fresh, "stamp"), "");
    utimesSync(join(fresh, "stamp"), began, began);
    if (existsSync(out)) renameSync(out, stale);
    renameSync(fresh, out);
  } finally {
    for (const folder of [fresh, stale]) rmSync(folder, { recursive: true, force: true });
  }
}

function compile(out: string, unchecked: boolean): void {
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  const options = ["--project", join(root, "tsconfig.build.json"), "--outDir", out];
  execFileSync(process.execPath, [compiler, ...options, ...(unchecked ? ["--noCheck"] : [])], {
    cwd: root,
    stdio: "inherit",
  });
}

/**
 * Puts modules and what they import into few files, `compiled` being the folder of ours. Resolves to the packages of what
 * is not ours.
 */
async function bundle(
  out: string,
  compiled: string,
  input: Record<string, string>,
): Promise<Set<string>> {
  const inside = [...bundled, ...theirs];
  await using build = await rolldown({
    input,
    platform: "node",
    plugins: [builtinImports],
    // As modules are put into files by hand, an entry may have to give others what it keeps for itself.
    preserveEntrySignatures: "allow-extension",
    // What is built may lie outside the checkout, whose packages are meant.
    resolve: { modules: [join(root, "node_modules")] },
    transform: { define: { "process.env.CUFFLINK_FAULT_POINTS": "undefined" } },
    // Comments with the place of each module would make other files of each build.
    experimental: { attachDebugInfo: "none" },
    external: (id) =>
      // A number sign begins what a package imports of itself.
      /^[^./#]/.test(id) &&
      (isBuiltin(id) || !inside.some((name) => id === name || id.startsWith(`${name}/`))),
  });
  const { output } = await build.write({
    dir: out,
    format: "esm",
    comments: false,
    minify: {
      compress: false,
      mangle: false,
      codegen: { asciiOnly: true, removeWhitespace: false },
    },
    chunkFileNames: "[name]-[hash].js",
    codeSplitting: {
      groups: [{ name: startChunks(compiled), debugName: "start" }],
      includeDependenciesRecursively: false,
    },
  });
  const names = output.flatMap((file) => (file.type === "chunk" ? file.moduleIds : []));
  return new Set(names.flatMap((id) => packageOf(id) ?? []));
}

/**
 * Names the file of each module that one of {@link together} needs: modules that the same ones need share a file. Left
 * alone, what bindings share too would be a file each, and each costs a third of a millisecond at the start.
 */
function startChunks(compiled: string): CodeSplittingName {
  let names: Map<string, string> | undefined;
  return (id, context) => {
    names ??= namesOf((module) => context.getModuleInfo(module)?.importedIds ?? []);
    return names.get(id) ?? null;
  };

  function namesOf(importedBy: (module: string) => readonly string[]): Map<string, string> {
    const found = new Map<string, string>();
    for (const [index, roots] of together.entries()) {
      const waiting = roots.map((root) => join(compiled, root));
      const seen = new Set(waiting);
      for (let module = waiting.pop(); module !== undefined; module = waiting.pop()) {
        found.set(module, `${found.get(module) ?? "start-"}${index}`);
        for (const imported of importedBy(module)) {
          if (seen.has(imported)) continue;
          seen.add(imported);
          waiting.push(imported);
        }
      }
    }
    return found;
  }
}

/** The package that a module is of; `undefined`: it is ours. */
function packageOf(id: string): string | undefined {
  return /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(id)?.[1];
}

function licenseOf(name: string): string {
  const folder = join(root, "node_modules", name);
  const { license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as {
    license: string;
  };
  const file = readdirSync(folder).find((one) => /^licen[cs]e/i.test(one));
  const text = file === undefined ? "" : `\n${readFileSync(join(folder, file), "utf8")}`;
  return `${name}: ${license}\n${text}`;
}
