// Starting, ending and editing what is compared: Cufflink from this checkout, and the daprd of the environment.
import { spawn } from "node:child_process";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { endWithUs } from "../../bench/children.ts";
import { reservePort } from "../servers/ports.ts";
import { until } from "../until.ts";

/** The columns of the table. Tuned: with Dapr's own settings against the loss at hand. */
export const contenders = ["cufflink", "daprd", "daprd-tuned"] as const;
export type Contender = (typeof contenders)[number];

/** Component YAML, of the same text for all. */
export type Component = {
  readonly name: string;
  readonly type: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** `spec.ignoreErrors`. */
  readonly ignoreErrors?: boolean;
};

export function componentText({ name, type, metadata, ignoreErrors }: Component): string {
  const items = Object.entries(metadata).map(
    ([key, value]) => `    - name: ${key}\n      value: ${JSON.stringify(value)}\n`,
  );
  const ignoring = ignoreErrors === true ? "  ignoreErrors: true\n" : "";
  return `apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: ${name}\nspec:\n  type: ${type}\n  version: v1\n${ignoring}  metadata:\n${items.join("")}`;
}

/** A `Resiliency` resource that has the component's events tried again, each second, without end. */
export function retryForever(component: string): string {
  return `apiVersion: dapr.io/v1alpha1
kind: Resiliency
metadata:
  name: retry
spec:
  policies:
    retries:
      forever: { policy: constant, duration: 1s, maxRetries: -1 }
  targets:
    components:
      ${component}:
        inbound: { retry: forever }
`;
}

/** A runtime under test. The ports and the folders stay the same over restarts. */
export type Runtime = AsyncDisposable & {
  readonly httpPort: number;
  readonly grpcPort: number;
  /** Of the process that runs now. */
  pid(): number;
  /** Resolves once it serves. Rejects with the end of its log. */
  start(): Promise<void>;
  /** SIGTERM, and SIGKILL where that takes more than 20 s; resolves once it is gone. */
  end(): Promise<void>;
  /** How it ended, or undefined while it runs. */
  ended(): string | undefined;
  /** Writes a resource file, as an editor does: a new file takes the old one's place. */
  write(file: string, text: string): Promise<void>;
  log(): string;
};

/** Names the daprd binary and says where a scenario keeps its files. */
export type Place = { readonly folder: string; readonly daprd: string | undefined };

const endLimit = 20_000;

/** Prepares a runtime; it is not started yet. */
export async function prepareRuntime(
  contender: Contender,
  { folder, daprd }: Place,
  options: {
    resources: Readonly<Record<string, string>>;
    appPort?: number;
    /** Default `grpc`. */
    appProtocol?: "grpc" | "h2c" | "http";
    flags?: readonly string[];
    environment?: Readonly<Record<string, string>>;
  },
): Promise<Runtime> {
  const resources = join(folder, "resources");
  await mkdir(resources, { recursive: true });
  for (const [file, text] of Object.entries(options.resources)) {
    await writeFile(join(resources, file), text);
  }
  const [http, grpc, metrics] = [await reservePort(), await reservePort(), await reservePort()];
  const internal = await reservePort();
  const flags = [
    ...["--app-id", "reliability", "--resources-path", resources],
    ...["--dapr-http-port", String(http), "--dapr-grpc-port", String(grpc)],
    ...["--metrics-port", String(metrics), "--dapr-listen-addresses", "127.0.0.1"],
    ...(options.appPort === undefined
      ? []
      : [
          ...["--app-port", String(options.appPort)],
          ...["--app-protocol", options.appProtocol ?? "grpc"],
        ]),
    ...(options.flags ?? []),
  ];
  const [program, ...rest] =
    contender === "cufflink"
      ? [join(import.meta.dirname, "../../bin/cufflink"), ...flags]
      : [daprd ?? "", ...flags, ...(await daprdFlags(folder, internal))];
  let child: ReturnType<typeof spawn> | undefined;
  let end: string | undefined;
  let gone = Promise.resolve();
  let log = "";

  async function start(): Promise<void> {
    end = undefined;
    const started = endWithUs(
      spawn(program, rest, {
        cwd: folder,
        env: { XDG_STATE_HOME: join(folder, "state"), ...options.environment },
        stdio: ["ignore", "pipe", "pipe"],
      }),
    );
    child = started;
    for (const stream of [started.stdout, started.stderr]) {
      stream?.on("data", (chunk: Buffer) => (log = (log + chunk.toString()).slice(-200_000)));
    }
    gone = new Promise((resolve) => {
      started.once("close", (code, signal) => {
        end = signal === null ? `exit ${code}` : signal;
        resolve();
      });
    });
    const serves = async (): Promise<boolean> => {
      if (end !== undefined) throw new Error(`${contender} ended (${end}):\n${log.slice(-4000)}`);
      const answer = await fetch(`http://127.0.0.1:${http}/v1.0/healthz/outbound`).catch(
        () => undefined,
      );
      return answer?.status === 204;
    };
    await until(serves, { what: () => `${contender}:\n${log.slice(-4000)}`, within: 60_000 });
  }

  async function stop(): Promise<void> {
    if (child === undefined || end !== undefined) return;
    child.kill("SIGTERM");
    const timer = setTimeout(() => child?.kill("SIGKILL"), endLimit);
    await gone;
    clearTimeout(timer);
  }

  return {
    httpPort: http,
    grpcPort: grpc,
    pid: () => child?.pid ?? 0,
    start,
    end: stop,
    ended: () => end,
    async write(file, text) {
      const fresh = join(folder, `fresh-${file}`);
      await writeFile(fresh, text);
      await rename(fresh, join(resources, file));
    },
    log: () => log,
    async [Symbol.asyncDispose]() {
      if (end === undefined) child?.kill("SIGKILL");
      await gone;
    },
  };
}

/** No control plane; and names are resolved in memory, since the default opens a multicast socket on every interface. */
async function daprdFlags(folder: string, internalPort: number): Promise<string[]> {
  const file = join(folder, "configuration.yaml");
  await writeFile(
    file,
    `apiVersion: dapr.io/v1alpha1
kind: Configuration
metadata:
  name: reliability
spec:
  nameResolution:
    component: sqlite
    configuration:
      connectionString: ":memory:"
`,
  );
  return [
    ...["--dapr-internal-grpc-port", String(internalPort)],
    ...["--dapr-internal-grpc-listen-address", "127.0.0.1"],
    ...["--metrics-listen-address", "127.0.0.1"],
    ...["--placement-host-address", "", "--scheduler-host-address", ""],
    ...["--config", file],
  ];
}
