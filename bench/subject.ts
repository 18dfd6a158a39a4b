import { spawn } from "node:child_process";
import { connect } from "node:net";
import { get } from "node:http";
import { join } from "node:path";
import { processorSeconds } from "./measure.ts";
import { releasePort, reservePort } from "../test/servers/ports.ts";

const root = join(import.meta.dirname, "..");
const startLimit = 30_000;

/** What is measured: a program that is started on ports given to it. */
export type Subject = {
  readonly name: string;
  readonly program: string;
  arguments(ports: Ports): readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Resolves to whether it serves. */
  serves(ports: Ports): Promise<boolean>;
};

export type Ports = {
  readonly http: number;
  readonly grpc: number;
  readonly metrics: number;
  readonly internal: number;
};

/** A program that serves. */
export type Running = AsyncDisposable & {
  readonly pid: number;
  readonly ports: Ports;
  /** Milliseconds from its start to serving. */
  readonly started: number;
  /** Milliseconds of processor time that took. */
  readonly startedBusy: number;
};

/** The built daemon with one redis output. */
export function cufflink(resources: string, compileCache: string): Subject {
  return {
    name: "Cufflink",
    program: process.execPath,
    arguments: (ports) => [join(root, "dist/src/main.js"), ...daemonFlags(resources, ports)],
    environment: { NODE_COMPILE_CACHE: compileCache },
    serves: (ports) => isHealthy(ports.http),
  };
}

/** daprd with the same resources, for a look side by side. */
export function daprd(program: string, resources: string): Subject {
  return {
    name: "daprd",
    program,
    arguments: (ports) => [
      ...daemonFlags(resources, ports),
      ...["--dapr-internal-grpc-port", String(ports.internal)],
    ],
    serves: (ports) => isHealthy(ports.http),
  };
}

/** The daemon with a binding that does nothing. */
export const noOpDaemon: Subject = {
  name: "no-op binding",
  program: process.execPath,
  arguments: ({ http, grpc }) => [
    join(import.meta.dirname, "no-op-daemon.ts"),
    String(http),
    String(grpc),
  ],
  serves: (ports) => isHealthy(ports.http),
};

/** Node's own HTTP/2 and protobuf, without anything of ours. */
export const echoServer: Subject = {
  name: "floor",
  program: process.execPath,
  arguments: ({ grpc }) => [join(import.meta.dirname, "echo-server.ts"), String(grpc)],
  serves: ({ grpc }) => accepts(grpc),
};

/** Starts it and waits until it serves. */
export async function start(subject: Subject): Promise<Running> {
  const [http, grpc, metrics, internal] = [
    await reservePort(),
    await reservePort(),
    await reservePort(),
    await reservePort(),
  ];
  const ports: Ports = { http, grpc, metrics, internal };
  const began = performance.now();
  const child = spawn(subject.program, subject.arguments(ports), {
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"], ...subject.environment },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  const exited = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const end = async (): Promise<void> => {
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
    await exited;
    clearTimeout(timer);
    for (const port of Object.values(ports)) await releasePort(port);
  };
  while (!(await subject.serves(ports))) {
    if (child.exitCode !== null || performance.now() - began > startLimit) {
      await end();
      throw new Error(`${subject.name} does not serve:\n${errors}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  const started = performance.now() - began;
  const pid = child.pid!;
  const startedBusy = processorSeconds(pid) * 1000;
  return { pid, ports, started, startedBusy, [Symbol.asyncDispose]: end };
}

function daemonFlags(resources: string, { http, grpc, metrics }: Ports): string[] {
  return [
    ...["--app-id", "bench", "--resources-path", resources],
    ...["--dapr-http-port", String(http), "--dapr-grpc-port", String(grpc)],
    ...["--metrics-port", String(metrics), "--dapr-listen-addresses", "127.0.0.1"],
    ...["--log-level", "warn"],
  ];
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
