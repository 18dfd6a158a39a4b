import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { createStore } from "../../src/store/open-store.ts";
import type { DeadLetter } from "../../src/store/records.ts";
import { commandAt, localPlace, type Place } from "../servers/place.ts";
import { reservePort } from "../servers/ports.ts";
import { spawnServer, type ServerProcess } from "../servers/server-process.ts";
import { until } from "../until.ts";
import { compileCache } from "./compile-cache.ts";
import { FileTail } from "./file-tail.ts";

const root = resolve(import.meta.dirname, "../..");

export type ComponentYaml = {
  readonly name: string;
  readonly type: string;
  /** How long it may take to connect, such as `2s`. */
  readonly initTimeout?: string;
  readonly metadata: Readonly<Record<string, string>>;
};

/**
 * A process of the runtime needs longer than this to come so far that it sends events, in milliseconds. Until then the
 * app may still read what the one before had sent.
 */
const boot = 100;

type Ports = { readonly app: number | undefined; readonly protocol: string };

/**
 * The runtime under test, run from its source so that its fault points are there. It can be killed, frozen and
 * started again; its ports, its components and its state directory stay.
 */
export class RuntimeProcess {
  /** From when on events are each of its processes', in milliseconds since 1970. */
  readonly lives: number[] = [];
  readonly httpPort: number;
  readonly grpcPort: number;
  readonly #metricsPort: number;
  readonly #folder: string;
  readonly #app: Ports;
  readonly #place: Place;
  #process: ServerProcess | undefined;

  private constructor(folder: string, app: Ports, ports: readonly number[], place: Place) {
    [this.httpPort = 0, this.grpcPort = 0, this.#metricsPort = 0] = ports;
    this.#folder = folder;
    this.#app = app;
    this.#place = place;
    mkdirSync(join(folder, "components"), { recursive: true });
  }

  /** `place`: where it runs. Default: here. */
  static async prepare(folder: string, app: Ports, place = localPlace): Promise<RuntimeProcess> {
    const ports = [await reservePort(), await reservePort(), await reservePort()];
    return new RuntimeProcess(folder, app, ports, place);
  }

  /** Where its HTTP port is, without a slash at the end. */
  get url(): string {
    return `http://${this.#place.host}:${this.httpPort}`;
  }

  get pid(): number | undefined {
    return this.gone ? undefined : this.#process?.pid;
  }

  get gone(): boolean {
    return this.#process?.gone ?? true;
  }

  get ended(): Promise<string> {
    return this.#process?.ended ?? Promise.resolve("was never started");
  }

  /** Writes its only component file, by a rename, as editors and configuration managers do. */
  configure(...components: readonly (ComponentYaml | string)[]): void {
    const texts = components.map((one) => (typeof one === "string" ? one : yamlOf(one)));
    const file = join(this.#folder, "components", "components.yaml");
    writeFileSync(`${file}.part`, texts.join("---\n"));
    renameSync(`${file}.part`, file);
  }

  /** Starts its process; resolves at once, before it can do anything. */
  async spawn(options: StartOptions = {}): Promise<void> {
    const { faultPoints, clockFile, arguments: more = [] } = options;
    const { app, protocol } = this.#app;
    const environment = {
      XDG_STATE_HOME: join(this.#folder, "state"),
      NODE_COMPILE_CACHE: compileCache,
      ...(faultPoints === undefined ? {} : { CUFFLINK_FAULT_POINTS: faultPoints }),
      // Options of the environment are those of its threads, too.
      ...(clockFile === undefined
        ? {}
        : {
            CUFFLINK_TEST_CLOCK: clockFile,
            NODE_OPTIONS: `--import=${join(import.meta.dirname, "clock.ts")}`,
          }),
    };
    const flags = [
      ...["--app-id", "faults", "--resources-path", join(this.#folder, "components")],
      ...["--dapr-http-port", String(this.httpPort), "--dapr-grpc-port", String(this.grpcPort)],
      ...["--metrics-port", String(this.#metricsPort), "--log-as-json", "true"],
      ...(app === undefined ? [] : ["--app-port", String(app), "--app-protocol", protocol]),
      ...(this.#place === localPlace
        ? []
        : ["--dapr-listen-addresses", `127.0.0.1,${this.#place.host}`]),
      ...more,
    ];
    this.lives.push(Date.now() + boot);
    this.#process = await spawnServer(
      {
        ...commandAt(this.#place, process.execPath, [join(root, "src/main.ts"), ...flags]),
        environment,
      },
      this.#folder,
      this.#log,
    );
  }

  /** Starts it; resolves once it has tried every component. */
  async start(options: StartOptions = {}): Promise<void> {
    await this.spawn(options);
    await this.answers();
  }

  /** Resolves once it answers its health endpoint. */
  async answers(): Promise<void> {
    const ready = async (): Promise<boolean> => {
      if (this.gone) throw new Error(`the runtime ${await this.ended}:\n${this.output()}`);
      const answer = await fetch(`${this.url}/v1.0/healthz`).catch(() => {});
      return answer?.status === 204;
    };
    await until(ready, {
      what: () => `the runtime to answer:\n${this.output()}`,
      ...{ within: 180_000, every: 100 },
    });
  }

  /** The state of a component, such as `running`; `undefined` while nobody answers. */
  async state(component: string): Promise<string | undefined> {
    try {
      const signal = AbortSignal.timeout(2_000);
      const url = `${this.url}/v1.0/metadata`;
      const body = (await (await fetch(url, { signal })).json()) as {
        components?: { name: string; state?: string }[];
      };
      return body.components?.find(({ name }) => name === component)?.state;
    } catch {
      return undefined;
    }
  }

  async running(component: string, within = 180_000): Promise<void> {
    await until(async () => (await this.state(component)) === "running", {
      what: () => `${component} to run:\n${this.output()}`,
      ...{ within, every: 100 },
    });
  }

  /** SIGKILL; resolves once it is gone. */
  async kill(): Promise<void> {
    this.#process?.signal("SIGKILL");
    await this.#process?.ended;
  }

  signal(name: NodeJS.Signals): void {
    this.#process?.signal(name);
  }

  freeze(): void {
    this.signal("SIGSTOP");
  }

  thaw(): void {
    this.signal("SIGCONT");
  }

  /** Whether it is frozen, by us or by a fault point. */
  get frozen(): boolean {
    if (this.#process === undefined || this.gone) return false;
    try {
      const text = readFileSync(`/proc/${this.#process.pid}/stat`, "utf8");
      return /^\d+ \(.*\) T/s.test(text);
    } catch {
      return false;
    }
  }

  /** Asks it to end; resolves to how it ended. After the time-out it is killed. */
  async end(within = 90_000): Promise<string> {
    this.signal("SIGTERM");
    const timer = setTimeout(() => this.signal("SIGKILL"), within);
    const how = await this.ended;
    clearTimeout(timer);
    return how;
  }

  /** What is in the dead letters. Only once its process is gone, which locks them. */
  async deadLetters(): Promise<DeadLetter[]> {
    const store = createStore({ folder: join(this.#folder, "state", "cufflink", "faults") });
    try {
      return await store.deadLetters.list({}, { limit: 10_000 });
    } finally {
      await store.close();
    }
  }

  /** The last lines that all of its processes printed. */
  output(): string {
    return this.lines().slice(-40).join("\n");
  }

  /** All that they printed. */
  lines(): string[] {
    try {
      return readFileSync(this.#log, "utf8").trimEnd().split("\n");
    } catch {
      return [];
    }
  }

  /** Counts the lines printed from now on that contain a text. */
  watch(text: string): () => number {
    const tail = new FileTail(this.#log, statSync(this.#log).size);
    let count = 0;
    return () => (count += tail.lines().filter((line) => line.includes(text)).length);
  }

  get #log(): string {
    return join(this.#folder, "runtime.log");
  }
}

export type StartOptions = {
  /** What `CUFFLINK_FAULT_POINTS` says. */
  readonly faultPoints?: string | undefined;
  /** A file with the milliseconds by which its clock is wrong. */
  readonly clockFile?: string | undefined;
  readonly arguments?: readonly string[];
};

/** A component document of Dapr's form. */
export function yamlOf({ name, type, initTimeout, metadata }: ComponentYaml): string {
  const items = Object.entries(metadata).map(
    ([key, value]) => `    - name: ${JSON.stringify(key)}\n      value: ${JSON.stringify(value)}\n`,
  );
  const timeout = initTimeout === undefined ? "" : `  initTimeout: ${initTimeout}\n`;
  return `apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: ${name}\nspec:\n  type: ${type}\n  version: v1\n${timeout}  metadata:\n${items.join("")}`;
}
