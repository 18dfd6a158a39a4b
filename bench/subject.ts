// Starting what is measured: Cufflink as it is built, daprd, and the floors.
import { type ChildProcess, spawn } from "node:child_process";
import { get } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { releasePort, reservePort } from "../test/servers/ports.ts";
import { endWithUs } from "./children.ts";
import { processorSeconds } from "./measure/process.ts";

const root = join(import.meta.dirname, "..");
const programs = join(import.meta.dirname, "programs");
const startLimit = 60_000;
const endLimit = 15_000;
let states = 0;

/** The ports that a program is given. */
export type Ports = {
  readonly http: number;
  readonly grpc: number;
  readonly metrics: number;
  readonly internal: number;
};

/** A program to be measured. */
export type Subject = {
  readonly name: string;
  readonly program: string;
  arguments(ports: Ports): readonly string[];
  /** Resolves to whether it serves. */
  serves(ports: Ports): Promise<boolean>;
};

/** What a daemon is told. */
export type DaemonOptions = {
  /** The folder of component YAML. */
  readonly resources: string;
  /** The port of the app, which speaks gRPC. Absent: there is none. */
  readonly appPort?: number;
  readonly flags?: readonly string[];
};

/** How programs are started, the same for each in a row. */
export type Circumstances = {
  /** One processor for what is measured, the other for all else, by `taskset`. */
  readonly pin: boolean;
  /** Where Cufflink's compiled code is kept from start to start. */
  readonly compileCache: string;
  /** More of the environment. */
  readonly environment?: Readonly<Record<string, string>>;
  /** The folder for CPU profiles of Cufflink. Absent: none are taken. */
  readonly profiles?: string | undefined;
};

/** The built daemon. */
export function cufflink(options: DaemonOptions, circumstances: Circumstances): Subject {
  return node("Cufflink", join(root, "dist/daemon/main.js"), options, circumstances);
}

/** The daemon of another checkout, as it is built there. */
export function before(
  checkout: string,
  options: DaemonOptions,
  circumstances: Circumstances,
): Subject {
  return node("the build before", join(checkout, "dist/daemon/main.js"), options, circumstances);
}

/** The built daemon with one more binding, which does nothing. */
export function cufflinkWithNoOp(options: DaemonOptions, circumstances: Circumstances): Subject {
  return node("Cufflink", join(programs, "no-op-daemon.ts"), options, circumstances);
}

function node(
  name: string,
  file: string,
  options: DaemonOptions,
  { profiles }: Circumstances,
): Subject {
  const profiling = profiles === undefined ? [] : ["--cpu-prof", "--cpu-prof-dir", profiles];
  return {
    name,
    program: process.execPath,
    arguments: (ports) => [...profiling, file, ...daemonFlags(options, ports)],
    serves: ({ http }) => isHealthy(http),
  };
}

/** daprd without its control plane. */
export function daprd(program: string, options: DaemonOptions): Subject {
  return {
    name: "daprd",
    program,
    arguments: (ports) => [
      ...daemonFlags(options, ports),
      ...["--dapr-internal-grpc-port", String(ports.internal)],
      ...["--placement-host-address", "", "--scheduler-host-address", ""],
    ],
    serves: ({ http }) => isHealthy(http),
  };
}

/** A server of `programs/`, which takes its port, what to do, and the address of what it does it to. */
export function floor(file: string, ...how: readonly string[]): Subject {
  return {
    name: "the floor",
    program: process.execPath,
    arguments: ({ grpc }) => [join(programs, file), String(grpc), ...how],
    serves: ({ grpc }) => accepts(grpc),
  };
}

/** The echo of `bench-go/`. */
export function grpcGo(program: string): Subject {
  return {
    name: "grpc-go",
    program,
    arguments: ({ grpc }) => ["echo", String(grpc)],
    serves: ({ grpc }) => accepts(grpc),
  };
}

/** Node with an HTTP/2 server and nothing else, for start and memory. */
export const bareServer: Subject = {
  name: "the floor",
  program: process.execPath,
  arguments: ({ grpc }) => [
    "--eval",
    `require("node:http2").createServer().listen(${grpc}, "127.0.0.1")`,
  ],
  serves: ({ grpc }) => accepts(grpc),
};

function daemonFlags({ resources, appPort, flags = [] }: DaemonOptions, ports: Ports): string[] {
  const app = ["--app-port", String(appPort), "--app-protocol", "grpc"];
  return [
    ...["--app-id", "bench", "--resources-path", resources],
    ...["--dapr-http-port", String(ports.http), "--dapr-grpc-port", String(ports.grpc)],
    ...["--metrics-port", String(ports.metrics), "--dapr-listen-addresses", "127.0.0.1"],
    ...["--log-level", "warn"],
    ...(appPort === undefined ? [] : app),
    ...flags,
  ];
}

/** A program that serves. */
export type Running = AsyncDisposable & {
  readonly name: string;
  readonly pid: number;
  readonly ports: Ports;
  /** Milliseconds from its start to serving. */
  readonly started: number;
  /** Milliseconds of processor time that took. */
  readonly startedBusy: number;
};

/** Starts it and waits until it serves. `spawned` is told the process id at once. */
export async function start(
  subject: Subject,
  { pin, compileCache, environment }: Circumstances,
  spawned: (pid: number) => void = () => {},
): Promise<Running> {
  const [http, grpc] = [await reservePort(), await reservePort()];
  const [metrics, internal] = [await reservePort(), await reservePort()];
  const ports: Ports = { http, grpc, metrics, internal };
  const began = performance.now();
  const command = [subject.program, ...subject.arguments(ports)];
  const [program = "", ...rest] = pin ? ["taskset", "-c", "0", ...command] : command;
  const { PATH, HOME } = process.env;
  const child = endWithUs(
    spawn(program, rest, {
      env: {
        ...{ PATH, HOME, NODE_COMPILE_CACHE: compileCache },
        // Durable records of one program are not the next one's.
        XDG_STATE_HOME: join(compileCache, "..", `state-${states++}`),
        ...environment,
      },
      stdio: ["ignore", "pipe", "pipe"],
    }),
  );
  const printed = keepLast(child);
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const end = async (): Promise<void> => {
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), endLimit);
    await ended;
    clearTimeout(timer);
    for (const port of Object.values(ports)) await releasePort(port);
  };
  if (child.pid !== undefined) spawned(child.pid);
  while (!(await subject.serves(ports))) {
    if (child.exitCode !== null || performance.now() - began > startLimit) {
      await end();
      throw new Error(`${subject.name} does not serve:\n${printed()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  const started = performance.now() - began;
  const pid = child.pid!;
  const startedBusy = processorSeconds(pid) * 1000;
  return { name: subject.name, pid, ports, started, startedBusy, [Symbol.asyncDispose]: end };
}

/** Keeps the end of what a process prints. */
function keepLast(child: ChildProcess): () => string {
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => (text = (text + chunk.toString()).slice(-4000)));
  }
  return () => text;
}

function isHealthy(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get(
      { host: "127.0.0.1", port, path: "/v1.0/healthz", agent: false },
      (response) => {
        response.resume();
        resolve(response.statusCode === 204);
      },
    );
    request.on("error", () => resolve(false));
  });
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}
