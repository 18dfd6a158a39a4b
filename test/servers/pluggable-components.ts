import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { until } from "../until.ts";
import { buildGoProgram, goProgram } from "./go-program.ts";
import { installVenv, venvPython } from "./python-venv.ts";

/** A queue in memory that runs as a pluggable component in a process of its own. */
export type QueueComponent = {
  /** The type that its socket makes, without `bindings.`. */
  readonly type: string;
  install(): Promise<void>;
  /** Starts it with its socket in a folder, and resolves once it listens. */
  start(folder: string): Promise<ChildProcess>;
};

/** On Dapr's own SDK for Go, `github.com/dapr-sandbox/components-go-sdk`. */
const onGoSdk: QueueComponent = {
  type: "queue-go",
  install: () => buildGoProgram("dapr-component"),
  start: (folder) =>
    started(join(folder, "queue-go.sock"), goProgram("dapr-component"), [], {
      DAPR_COMPONENT_SOCKETS_FOLDER: folder,
    }),
};

const python = {
  name: "pluggable-component",
  packages: ["grpcio==1.85.1", "grpcio-reflection==1.85.1", "grpcio-tools==1.85.1"],
} as const;

/** A plain gRPC server in Python. */
const inPython: QueueComponent = {
  type: "queue-python",
  install: () => installVenv(python),
  start(folder) {
    const socket = join(folder, "queue-python.sock");
    const protos = resolve(import.meta.dirname, "../../proto");
    const script = join(import.meta.dirname, "python-component.py");
    return started(socket, venvPython(python) ?? "python3", [script, protos, socket], {});
  },
};

export const queueComponents: readonly QueueComponent[] = [onGoSdk, inPython];

async function started(
  socket: string,
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<ChildProcess> {
  const child = spawn(program, args, {
    env: { ...process.env, ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const log = text(child.stderr);
  const ended = once(child, "exit");
  await until(
    async () => {
      if (child.exitCode !== null) throw new Error(`${program} ended: ${await log}`);
      return existsSync(socket);
    },
    { what: `the socket ${socket}`, within: 20_000 },
  );
  void ended.catch(() => undefined);
  return child;
}
