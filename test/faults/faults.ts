import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import type { FaultPoint } from "../../src/fault-point.ts";
import { until } from "../until.ts";
import type { AppProcess } from "./app-process.ts";
import { reachedPoints } from "./phases.ts";
import type { OpenedSource } from "./opened-source.ts";
import type { RuntimeProcess } from "./runtime-process.ts";

const run = promisify(execFile);

/** What a fault can strike. */
export type CellContext = {
  readonly runtime: RuntimeProcess;
  readonly app: AppProcess;
  readonly opened: OpenedSource;
  readonly folder: string;
};

export type Fault = {
  readonly name: string;
  /** Whose failure it is: what bounds the duplicates. */
  readonly strikes: "app" | "runtime" | "server";
  /** Whether it needs a server that no other cell uses meanwhile. */
  readonly ownServer?: boolean;
  /** Whether the runtime needs credentials of its own that can be revoked. */
  readonly credentials?: boolean;
  /** Whether what a source writes has to go to a disk that can be filled. */
  readonly ownDisk?: boolean;
  /** Whether the runtime needs a clock that can be set wrong. */
  readonly clock?: boolean;
  /** What `CUFFLINK_FAULT_POINTS` says to the first process of the runtime. */
  readonly faultPoints?: string;
  /** Whether some events are refused until they are in the dead letters. */
  readonly poison?: boolean;
  /** What else the component's metadata says. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Why it cannot strike there; `undefined`: it can. */
  readonly unfit: (opened: OpenedSource) => string | undefined;
  /** Strikes, stays for its time and heals; what was killed is started again by who called. */
  readonly strike: (context: CellContext) => Promise<void>;
};

const always = (): undefined => undefined;
const needsServer = ({ server }: OpenedSource) =>
  server === undefined ? "it has no server" : undefined;
const needsProxy = ({ proxy }: OpenedSource) =>
  proxy === undefined ? "it has no network" : undefined;
const needsApp = ({ arrived }: OpenedSource) =>
  arrived === undefined ? undefined : "an output has no app that gets events";

/** SIGKILL of the app, which comes back half a second later. */
export const appKilled: Fault = {
  ...{ name: "app killed", strikes: "app", unfit: needsApp },
  async strike({ app }) {
    await app.kill();
    await pause(500);
  },
};

export const appFrozen: Fault = {
  ...{ name: "app frozen 3 s", strikes: "app", unfit: needsApp },
  async strike({ app }) {
    app.freeze();
    await pause(3_000);
    app.thaw();
  },
};

export const runtimeKilled: Fault = {
  ...{ name: "runtime killed", strikes: "runtime", unfit: always },
  async strike({ runtime }) {
    await runtime.kill();
  },
};

export const runtimeFrozen = (seconds: number): Fault => ({
  ...{ name: `runtime frozen ${seconds} s`, strikes: "server", unfit: always },
  async strike({ runtime }) {
    runtime.freeze();
    await pause(seconds * 1000);
    runtime.thaw();
  },
});

export const serverKilled: Fault = {
  ...{ name: "server killed", strikes: "server", ownServer: true },
  unfit: (opened) =>
    /mqtt[35]$/.test(opened.component.type)
      ? "Mosquitto acknowledges before it has stored, so nothing it had counts as produced"
      : needsServer(opened),
  async strike({ opened: { server } }) {
    await server?.kill();
    await pause(500);
    await server?.start();
  },
};

export const serverRestarted: Fault = {
  ...{ name: "server restarted", strikes: "server", ownServer: true, unfit: needsServer },
  async strike({ opened: { server } }) {
    await server?.restart();
  },
};

export const serverFrozen: Fault = {
  ...{ name: "server frozen 5 s", strikes: "server", ownServer: true, unfit: needsServer },
  async strike({ opened: { server } }) {
    server?.pause();
    await pause(5_000);
    server?.resume();
  },
};

/** The server is not there when the runtime is started. Strikes in the phase `connecting` only. */
export const outageAtStart: Fault = {
  ...{ name: "server away at start", strikes: "server", unfit: needsProxy },
  async strike({ opened: { proxy }, runtime }) {
    proxy?.refuse();
    await runtime.kill();
    await runtime.start();
    await pause(3_000);
    proxy?.heal();
  },
};

export const reset: Fault = {
  ...{ name: "connections reset", strikes: "server", unfit: needsProxy },
  strike: async ({ opened: { proxy } }) => proxy?.cut(),
};

export const swallowed = (seconds: number): Fault => ({
  ...{ name: `packets swallowed ${seconds} s`, strikes: "server", unfit: needsProxy },
  async strike({ opened: { proxy } }) {
    proxy?.stall();
    await pause(seconds * 1000);
    proxy?.heal();
  },
});

export const halfOpen: Fault = {
  ...{ name: "half-open", strikes: "server", unfit: needsProxy },
  strike: async ({ opened: { proxy } }) => proxy?.halfOpen(),
};

export const latency: Fault = {
  ...{ name: "latency 2 s", strikes: "server", unfit: needsProxy },
  async strike({ opened: { proxy } }) {
    proxy?.delay(2_000);
    await pause(12_000);
    proxy?.heal();
  },
};

export const refused: Fault = {
  ...{ name: "connections refused 5 s", strikes: "server", unfit: needsProxy },
  async strike({ opened: { proxy } }) {
    proxy?.refuse();
    await pause(5_000);
    proxy?.heal();
  },
};

export const credentialsRevoked: Fault = {
  ...{ name: "credentials revoked 4 s", strikes: "server", credentials: true },
  unfit: ({ credentials, component: { type } }) => {
    if (credentials !== undefined) return undefined;
    return type === "bindings.kafka"
      ? "its users are in the broker's own configuration"
      : "it has no credentials";
  },
  async strike({ opened: { credentials } }) {
    await credentials?.revoke();
    await pause(4_000);
    await credentials?.restore();
  },
};

export const clockJump = (hours: number): Fault => ({
  name: `clock ${hours > 0 ? "+" : "−"}${Math.abs(hours)} h`,
  ...{ strikes: "server", clock: true },
  unfit: ({ send }) =>
    send === undefined ? "its ticks are known by the time, which is what changes" : undefined,
  async strike({ folder }) {
    await writeFile(clockFileIn(folder), String(hours * 3_600_000));
    await pause(3_000);
    await writeFile(clockFileIn(folder), "0");
  },
});

/**
 * No file of the runtime may grow any more, as on a full disk: neither the store nor a log. Good events are handled
 * all the same.
 */
export const diskFull: Fault = {
  ...{ name: "disk full 6 s", strikes: "runtime", poison: true, metadata: {} },
  unfit({ send, arrived, ordered, component: { type, metadata } }) {
    if (send === undefined || arrived !== undefined) return "nothing of it is stored";
    if (ordered && type === "bindings.rocketmq")
      return "its broker gives no more of a queue while one event of it waits for the disk";
    return metadata["prefetchCount"] === "1" || metadata["inOrder"] === "true"
      ? "its one event at a time waits for the disk, as it must"
      : undefined;
  },
  async strike({ runtime, app }) {
    const { pid } = runtime;
    if (pid === undefined) throw new Error("the runtime is gone");
    await run("prlimit", ["--pid", String(pid), "--fsize=4096:"]);
    await pause(2_000);
    const before = app.handled().length;
    await pause(4_000);
    if (app.handled().length === before)
      throw new Error("nothing was handled while the disk was full");
    await run("prlimit", ["--pid", String(pid), "--fsize=unlimited:"]);
  },
};

/** The disk that handled files are moved to is full: they are handled all the same, once, and moved when there is room. */
export const processedFull: Fault = {
  ...{ name: "disk of handled files full 8 s", strikes: "server", ownDisk: true },
  unfit: ({ disk }) => (disk === undefined ? "only root may mount a disk to fill" : undefined),
  async strike({ app, opened: { disk } }) {
    await disk?.fill();
    const before = app.handled().length;
    await pause(8_000);
    if (app.handled().length === before)
      throw new Error("nothing was handled while the disk was full");
    await disk?.free();
  },
};

/** The runtime kills itself at a fault point, when it comes there for the nth time. */
export const killedAt = (
  point: FaultPoint,
  times: number,
  metadata: Readonly<Record<string, string>> = {},
): Fault => ({
  ...{ name: `killed at "${point}"`, strikes: "runtime", poison: true, metadata },
  faultPoints: `${point}=kill@${times}`,
  unfit({ send, arrived, component: { type } }) {
    if (metadata["deduplicate"] === "id" && /rabbitmq|mqtt|websocket|rethinkdb/.test(type))
      return "its events have no identity of their own to be claimed by";
    if (!reachedPoints().has(point)) return `the runtime does not reach "${point}"`;
    if (send === undefined) return "its ticks are neither good nor bad";
    return arrived === undefined ? undefined : "an output has no such steps";
  },
  async strike({ runtime }) {
    // An orderly end is what confirms acknowledgements.
    if (point === "before flush" || point === "flushed") runtime.signal("SIGTERM");
    await until(() => runtime.gone, {
      what: () => `the runtime to end at "${point}":\n${runtime.output()}`,
      within: 180_000,
    });
  },
});

/** Where the runtime under test looks how wrong its clock is. */
export function clockFileIn(folder: string): string {
  return join(folder, "clock");
}
