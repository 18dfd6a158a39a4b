import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { answers } from "./answers.ts";
import type { Command } from "./server-process.ts";
import { spawnServer } from "./server-process.ts";
import type { ServerProcess } from "./server-process.ts";
import { descendantsOf } from "./descendants.ts";
import type { Address, Place, ServerKind } from "./kind.ts";
import { portAt } from "./kind.ts";
import { kindOf } from "./kinds.ts";
import type { OwnServer, ServerControl, ServerName, ServerOptions } from "./kinds.ts";
import { releasePort, reservePort } from "./ports.ts";

// Folders carry the id of the process they belong to, so that a later run can tell which were left behind.
const prefix = join(tmpdir(), `cufflink-server-${process.pid}-`);
const stopTimeout = 20_000;

/** Starts a server of one's own, installing it first where that is allowed and needed. */
export async function startServer<Name extends ServerName>(
  name: Name,
  options?: ServerOptions<Name>,
): Promise<OwnServer<Name>> {
  const kind = kindOf(name);
  if (!kind.isInstalled()) await kind.install();
  const server = await prepareServer(name, options);
  try {
    await server.start();
    return server;
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}

/** Chooses port and folder of an installed server without starting it. */
export async function prepareServer<Name extends ServerName>(
  name: Name,
  options?: ServerOptions<Name>,
): Promise<OwnServer<Name>> {
  const kind = kindOf(name);
  const ports: number[] = [];
  while (ports.length < kind.ports) ports.push(await reservePort());
  const place: Place = { host: "127.0.0.1", ports, folder: await mkdtemp(prefix) };
  const port = portAt(place, 0);
  const address: Address = { host: place.host, port, url: kind.url(place.host, port) };
  const handle = control(kind, place, options ?? {});
  const parts = [address, kind.extras(address), kind.ownExtras(place), handle];
  const members = Object.assign(
    {},
    ...parts.map(Object.getOwnPropertyDescriptors),
  ) as PropertyDescriptorMap;
  return Object.defineProperties({}, members) as OwnServer<Name>;
}

function control(
  kind: ServerKind<object, object, object>,
  place: Place,
  options: object,
): ServerControl {
  const logFile = join(place.folder, "server.log");
  let processes: ServerProcess[] = [];

  const main = (): ServerProcess | undefined => processes.at(-1);
  const alive = (): ServerProcess | undefined => (main()?.gone === false ? main() : undefined);

  async function start(): Promise<void> {
    if (alive() !== undefined) throw new Error(`${kind.title} runs already`);
    await endAll("SIGKILL");
    const before = readLog().length;
    const commands: readonly Command[] = await kind.prepare(place, options);
    for (const command of commands) {
      processes.push(await spawnServer(command, place.folder, logFile));
    }
    try {
      await started(before);
    } catch (error) {
      await endAll("SIGKILL");
      throw error;
    }
  }

  async function started(logStart: number): Promise<void> {
    const address = { host: place.host, port: portAt(place, 0) };
    const deadline = performance.now() + kind.startTimeout;
    const server = main();
    for (;;) {
      if (server === undefined || server.gone) {
        throw failure(`${await server?.ended} while it started`);
      }
      const said = kind.startedLine?.test(readLog().slice(logStart)) ?? true;
      if (said && (await answers(address, kind.greeting, 1_000))) return;
      if (performance.now() > deadline) {
        throw failure(`did not answer on port ${address.port} within ${kind.startTimeout} ms`);
      }
      await Promise.race([server.ended, new Promise((resolve) => setTimeout(resolve, 50))]);
    }
  }

  /** To the server's own processes too, where it has some. */
  function toAll(signal: NodeJS.Signals): void {
    const server = alive();
    if (server === undefined) return;
    const others = kind.forks === true ? descendantsOf(server.pid) : [];
    server.signal(signal);
    for (const pid of others) {
      try {
        process.kill(pid, signal);
      } catch {
        // It has ended meanwhile.
      }
    }
  }

  async function endAll(signal: NodeJS.Signals): Promise<void> {
    if (signal === "SIGKILL") toAll(signal);
    const server = main();
    if (server !== undefined) await end(server, signal);
    await Promise.all(processes.map((each) => end(each, "SIGKILL")));
    processes = [];
  }

  function failure(what: string): Error {
    return new Error(`${kind.title} ${what}. The end of its log:\n${lastLines(30)}`);
  }

  function readLog(): string {
    try {
      return readFileSync(logFile, "utf8");
    } catch {
      return "";
    }
  }

  function lastLines(lines: number): string {
    return readLog().trimEnd().split("\n").slice(-lines).join("\n");
  }

  return {
    get pid() {
      return alive()?.pid;
    },
    start,
    stop: () => endAll(kind.stopSignal ?? "SIGTERM"),
    kill: () => endAll("SIGKILL"),
    async restart() {
      await endAll(kind.stopSignal ?? "SIGTERM");
      await start();
    },
    pause: () => toAll("SIGSTOP"),
    resume: () => toAll("SIGCONT"),
    log: (lines = 30) => lastLines(lines),
    async [Symbol.asyncDispose]() {
      await endAll("SIGKILL");
      await rm(place.folder, { recursive: true, force: true, maxRetries: 5 });
      for (const port of place.ports) await releasePort(port);
    },
  };
}

async function end(server: ServerProcess, signal: NodeJS.Signals): Promise<void> {
  if (server.gone) return;
  server.signal(signal);
  // A frozen process does not see SIGTERM before it is thawed.
  server.signal("SIGCONT");
  const timer = setTimeout(() => server.signal("SIGKILL"), stopTimeout);
  await server.ended;
  clearTimeout(timer);
}
