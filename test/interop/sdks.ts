import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { withFileLock } from "../servers/install.ts";
import { findProgram } from "../servers/server-process.ts";

const run = promisify(execFile);

export type Protocol = "grpc" | "http";

/** A program that calls bindings and is called by them through one of Dapr's SDKs, unmodified. */
export type Sdk = {
  readonly language: string;
  readonly version: string;
  /** What its client, and its server of apps, speak. */
  readonly client: readonly Protocol[];
  readonly app: readonly Protocol[];
  /** What must be there to build and run it. */
  readonly toolchain: readonly string[];
  /** Commands that build it in a copy of its folder. */
  readonly build: readonly (readonly string[])[];
  /** The command that runs it there. */
  readonly command: (folder: string) => readonly [string, ...string[]];
};

/** The SDKs for Python, Java and Rust have no client for HTTP; those for Python, Java and Rust have no HTTP server for bindings. */
export const sdks: readonly Sdk[] = [
  {
    ...{ language: "javascript", version: "@dapr/dapr 3.18.0" },
    ...{ client: ["grpc", "http"], app: ["grpc", "http"] },
    ...{ toolchain: [], build: [] },
    command: () => [process.execPath, join(import.meta.dirname, "javascript/program.ts")],
  },
  {
    ...{ language: "python", version: "dapr 1.19.0" },
    ...{ client: ["grpc"], app: ["grpc"], toolchain: ["python3"] },
    build: [
      ["python3", "-m", "venv", "venv"],
      ["venv/bin/pip", "install", "--quiet", "-r", "requirements.txt"],
    ],
    command: (folder) => [join(folder, "venv/bin/python"), join(folder, "program.py")],
  },
  {
    ...{ language: "go", version: "github.com/dapr/go-sdk 1.11.0" },
    ...{ client: ["grpc"], app: ["grpc", "http"], toolchain: ["go"] },
    build: [["go", "build", "-trimpath", "-o", "program", "."]],
    command: (folder) => [join(folder, "program")],
  },
  {
    ...{ language: "java", version: "io.dapr:dapr-sdk 1.17.1" },
    ...{ client: ["grpc"], app: ["grpc"], toolchain: ["java", "mvn"] },
    build: [
      ["mvn", "-q", "-B", "compile", "dependency:copy-dependencies", "-DoutputDirectory=libs"],
    ],
    command: (folder) => [
      findTool("java") ?? "java",
      ...["-cp", `${join(folder, "target/classes")}${delimiter}${join(folder, "libs/*")}`],
      "Program",
    ],
  },
  {
    ...{ language: "rust", version: "dapr 0.20.0" },
    ...{ client: ["grpc"], app: ["grpc"], toolchain: ["cargo"] },
    build: [["cargo", "build", "--locked"]],
    command: (folder) => [join(folder, "target/debug/interop")],
  },
];

/** Where a toolchain's program is; `undefined`: it is not here. */
export function findTool(name: string): string | undefined {
  const usual = [
    join("/usr/local/go/bin", name),
    join(homedir(), ".cargo/bin", name),
    join("/usr/bin", name),
  ];
  return findProgram(name) ?? usual.find((path) => existsSync(path));
}

/** Builds the program, once for its sources. Returns the folder in which it was built. */
export async function buildSdk({ language, build }: Sdk): Promise<string> {
  const sources = join(import.meta.dirname, language);
  if (build.length === 0) return sources;
  const home = process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache");
  const folder = join(home, "cufflink", `interop-${language}-${fingerprintOf(sources)}`);
  const done = join(folder, "complete");
  await withFileLock(`cufflink-interop-${language}`, async () => {
    if (existsSync(done)) return;
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    cpSync(sources, folder, { recursive: true });
    for (const [name = "", ...rest] of build) {
      const program = name.includes("/") ? join(folder, name) : (findTool(name) ?? name);
      await run(program, rest, { cwd: folder, timeout: 900_000, maxBuffer: 64 << 20 });
    }
    await writeFile(done, "");
  });
  return folder;
}

function fingerprintOf(folder: string): string {
  const hash = createHash("sha256");
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).toSorted();
  for (const name of names)
    if (statSync(join(folder, name)).isFile()) hash.update(readFileSync(join(folder, name)));
  return hash.digest("hex").slice(0, 12);
}
