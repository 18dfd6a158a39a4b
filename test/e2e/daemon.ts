import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { until } from "../until.ts";
import { reservePort } from "../servers/ports.ts";

const root = resolve(import.meta.dirname, "../..");

/** A daemon of its own process, started as an operator would: by `bin/cufflink` with daprd's flags. */
export type Daemon = AsyncDisposable & {
  readonly httpPort: number;
  readonly grpcPort: number;
  readonly metricsPort: number;
  readonly folder: string;
  readonly process: ChildProcess;
  /** Everything it printed so far. */
  output(): string;
  /** `GET /v1.0/metadata`'s component, with its state. */
  state(component: string): Promise<string | undefined>;
  /** Sends a signal and resolves to the exit code. */
  end(signal?: NodeJS.Signals): Promise<number | null>;
};

export type ComponentYaml = { name: string; type: string; metadata: Record<string, string> };

/** Component YAML of Dapr's form. */
function componentYaml({ name, type, metadata }: ComponentYaml): string {
  const items = Object.entries(metadata).map(
    ([key, value]) => `    - name: ${JSON.stringify(key)}\n      value: ${JSON.stringify(value)}\n`,
  );
  return `apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: ${name}\nspec:\n  type: ${type}\n  version: v1\n  metadata:\n${items.join("")}`;
}

export async function startDaemon(options: {
  components: readonly (ComponentYaml | string)[];
  flags?: readonly string[];
  env?: Record<string, string>;
  /** For an app that is told of them before. Default: of its own. */
  ports?: { readonly http: number; readonly grpc: number };
}): Promise<Daemon> {
  const folder = await mkdtemp(join(tmpdir(), "cufflink-e2e-"));
  const text = options.components
    .map((one) => (typeof one === "string" ? one : componentYaml(one)))
    .join("---\n");
  await writeFile(join(folder, "components.yaml"), text);
  const [httpPort, grpcPort, metricsPort] = await Promise.all([
    options.ports?.http ?? reservePort(),
    options.ports?.grpc ?? reservePort(),
    reservePort(),
  ]);
  const child = spawn(
    join(root, "bin/cufflink"),
    [
      ...["--app-id", "e2e", "--resources-path", folder],
      ...["--dapr-http-port", String(httpPort), "--dapr-grpc-port", String(grpcPort)],
      ...["--metrics-port", String(metricsPort), "--dapr-listen-addresses", "127.0.0.1"],
      ...(options.flags ?? []),
    ],
    { cwd: folder, env: { ...options.env }, stdio: ["ignore", "pipe", "pipe"] },
  );
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const exited = new Promise<number | null>((done) => child.once("exit", done));
  const base = `http://127.0.0.1:${httpPort}`;
  const ready = async (): Promise<boolean> => {
    if (child.exitCode !== null)
      throw new Error(`the daemon ended with ${child.exitCode}:\n${output}`);
    // With TLS nobody here trusts its certificate.
    if (options.flags?.includes("--tls-cert")) return output.includes("Status: Running.");
    const answer = await fetch(`${base}/v1.0/healthz`).catch(() => undefined);
    return answer?.status === 204;
  };
  await until(ready, { what: () => `the daemon to be ready:\n${output}`, within: 30_000 });
  return {
    httpPort,
    grpcPort,
    metricsPort,
    folder,
    process: child,
    output: () => output,
    async state(component) {
      const answer = await fetch(`${base}/v1.0/metadata`);
      const body: unknown = await answer.json();
      return stateIn(body, component);
    },
    async end(signal = "SIGTERM") {
      child.kill(signal);
      return exited;
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill("SIGTERM");
        const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
        await exited;
        clearTimeout(timer);
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function stateIn(body: unknown, component: string): string | undefined {
  if (typeof body !== "object" || body === null || !("components" in body)) return undefined;
  if (!Array.isArray(body.components)) return undefined;
  const found: { state?: string } | undefined = body.components.find(
    (one: { name: string }) => one.name === component,
  );
  return found?.state;
}
