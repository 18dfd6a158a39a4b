import { delimiter, join } from "node:path";
import { buildProgram, findTool } from "../servers/built-program.ts";

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

/** Builds the program, once for its sources. Returns the folder in which it was built. */
export async function buildSdk({ language, build }: Sdk): Promise<string> {
  const sources = join(import.meta.dirname, language);
  return build.length === 0 ? sources : buildProgram(`interop-${language}`, sources, build);
}
