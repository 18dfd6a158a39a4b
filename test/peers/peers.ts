import { delimiter, join } from "node:path";
import { buildProgram, findTool } from "../servers/built-program.ts";
import { reservePort } from "../servers/ports.ts";
import { Program } from "./program.ts";

/** What an implementation does not do, by its own interface. */
type Lack = "trailers of success" | "waiting for a connection";

/** An implementation of gRPC, as a client and as a server: programs that do the same in each language. */
export type Peer = {
  readonly name: string;
  readonly version: string;
  /** What must be there to build and run it. */
  readonly toolchain: readonly string[];
  /** Its folder; absent: a program of this repo's. */
  readonly folder?: string;
  /** Commands that build it in a copy of its folder. */
  readonly build: readonly (readonly string[])[];
  /** The command that runs it there. */
  readonly command: (folder: string) => readonly [string, ...string[]];
  readonly lacks?: readonly Lack[];
  /** The shortest time between its pings, in milliseconds. Default 1,000. */
  readonly shortestPing?: number;
};

const ownProgram = (file: string) => (): readonly [string, ...string[]] => [
  process.execPath,
  join(import.meta.dirname, file),
];

/** Cufflink's own client and server. */
export const ours: Peer = {
  ...{ name: "Cufflink", version: "this build", toolchain: [], build: [] },
  command: ownProgram("cufflink-process.ts"),
};

export const peers: readonly Peer[] = [
  {
    ...{ name: "grpc-go", version: "1.84.0", toolchain: ["go"], folder: "go" },
    build: [["go", "build", "-trimpath", "-o", "program", "."]],
    command: (folder) => [join(folder, "program")],
    shortestPing: 10_000,
  },
  {
    ...{ name: "grpc-java", version: "1.79.0", toolchain: ["java", "mvn"], folder: "java" },
    build: [
      ["mvn", "-q", "-B", "compile", "dependency:copy-dependencies", "-DoutputDirectory=libs"],
    ],
    command: (folder) => [
      findTool("java") ?? "java",
      ...["-Xmx1g", "-cp"],
      `${join(folder, "target/classes")}${delimiter}${join(folder, "libs/*")}`,
      "Program",
    ],
    shortestPing: 10_000,
  },
  {
    ...{ name: "grpcio", version: "1.85.3", toolchain: ["python3"], folder: "python" },
    build: [
      ["python3", "-m", "venv", "venv"],
      ["venv/bin/pip", "install", "--quiet", "-r", "requirements.txt"],
    ],
    command: (folder) => [join(folder, "venv/bin/python"), join(folder, "program.py")],
  },
  {
    ...{ name: "grpc-js", version: "1.14.7", toolchain: [], build: [] },
    command: ownProgram("javascript/program.ts"),
  },
  {
    ...{ name: "tonic", version: "0.14.9", toolchain: ["cargo"], folder: "rust" },
    build: [["cargo", "build", "--locked"]],
    command: (folder) => [join(folder, "target/debug/peer")],
    lacks: ["trailers of success", "waiting for a connection"],
  },
  {
    ...{ name: "node:http2", version: process.versions.node, toolchain: [], build: [] },
    command: ownProgram("node-process.ts"),
    lacks: ["waiting for a connection"],
  },
];

/** What of its toolchain is not here. */
export function missingTools({ toolchain }: Peer): readonly string[] {
  return toolchain.filter((name) => findTool(name) === undefined);
}

/** Builds the program, once for its sources. Returns the folder in which it was built. */
export async function buildPeer({ name, folder: language, build }: Peer): Promise<string> {
  if (language === undefined) return "";
  return buildProgram(`peer-${name}`, join(import.meta.dirname, language), build);
}

/** A server's program that listens on a port of loopback. */
export type PeerServer = { readonly program: Program; readonly port: number };

export async function startServer(
  peer: Peer,
  tls?: { readonly certPath: string; readonly keyPath: string },
): Promise<PeerServer & AsyncDisposable> {
  const port = await reservePort();
  const files = tls === undefined ? [] : [tls.certPath, tls.keyPath];
  const command = peer.command(await buildPeer(peer));
  const program = new Program([...command, "server", String(port), ...files]);
  await program.heard("it listens", ({ event }) => event === "listening");
  return { program, port, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
}

/** A client's program. `ca`: the file of the authority of a server with TLS. */
export async function startClient(
  peer: Peer,
  port: number,
  { ca, keepAlive }: { readonly ca?: string; readonly keepAlive?: number } = {},
): Promise<Program> {
  const command = peer.command(await buildPeer(peer));
  const files = ca === undefined ? [] : [ca];
  const env = keepAlive === undefined ? {} : { KEEPALIVE_MS: String(keepAlive) };
  return new Program([...command, "client", `127.0.0.1:${port}`, ...files], env);
}
