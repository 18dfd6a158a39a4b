import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { reservePort } from "../servers/ports.ts";
import { until } from "../until.ts";
import { startApp } from "./app-process.ts";
import { type Daemon, startDaemon } from "./daemon.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "cufflink-app-log-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const tick = { name: "tick", type: "bindings.cron", metadata: { schedule: "@every 100ms" } };
const launcher = resolve(import.meta.dirname, "../../bin/cufflink");

/** The lines of the log that match. */
function lines(daemon: Daemon, pattern: RegExp): string[] {
  return daemon
    .output()
    .split("\n")
    .filter((line) => pattern.test(line));
}

async function untilLogged(daemon: Daemon, pattern: RegExp): Promise<void> {
  await until(() => lines(daemon, pattern).length > 0, {
    what: () => `a line like ${pattern}:\n${daemon.output()}`,
  });
}

/** What `cufflink components` shows, in one line. */
async function components(daemon: Daemon): Promise<string> {
  const asked = ["components", "--address", `http://127.0.0.1:${daemon.grpcPort}`];
  const { stdout } = await promisify(execFile)(launcher, asked, { env: {} });
  return stdout.replaceAll(/\s+/g, " ");
}

/** How many events of the component were returned to its source. */
async function returned(daemon: Daemon): Promise<number> {
  const address = `http://127.0.0.1:${daemon.grpcPort}`;
  const asked = ["components", "show", "tick", "--json", "--address", address];
  const { stdout } = await promisify(execFile)(launcher, asked, { env: {} });
  const { returned } = JSON.parse(stdout) as { returned: number };
  return returned;
}

function daemonFor(port: number, protocol: string): Promise<Daemon> {
  const flags = ["--app-port", String(port), "--app-protocol", protocol];
  return startDaemon({ components: [tick], flags });
}

test("a port where nobody listens is waited for, said once with the address; then the app comes, goes and is back", async () => {
  const port = await reservePort();
  await using daemon = await daemonFor(port, "grpc");
  await untilLogged(daemon, /INFO {2}waiting for the app /);
  expect(lines(daemon, /waiting for the app/)).toEqual([
    expect.stringContaining(`at=127.0.0.1:${port} protocol=grpc`),
  ]);
  expect(await components(daemon)).toContain(`cannot connect to 127.0.0.1:${port}`);
  const app = { port, file: join(folder, "late"), bindings: ["tick"] };
  const first = await startApp(app);
  await untilLogged(daemon, /INFO {2}the app is there .*after=/);
  await untilLogged(daemon, /\[tick\] component running/);
  await first.kill();
  await untilLogged(daemon, /WARN {2}the app is away; its events wait/);
  // Ticks that come due meanwhile are dropped, told once and counted.
  await untilLogged(daemon, /WARN {2}\[tick\] ticks are dropped.*the app is not there/);
  await new Promise((done) => setTimeout(done, 1000));
  const second = await startApp(app);
  await untilLogged(daemon, /INFO {2}the app is back .*after=/);
  await untilLogged(daemon, /\[tick\] ticks were dropped .*ticks=\d/);
  expect(await returned(daemon)).toBeGreaterThan(0);
  await second.kill();
  expect(lines(daemon, /is there/)).toHaveLength(1);
});

test("an input that the app calls otherwise is named, with what the app has", async () => {
  const port = await reservePort();
  const app = await startApp({ port, file: join(folder, "ticks"), bindings: ["ticks"] });
  await using daemon = await daemonFor(port, "grpc");
  const reason = "the app does not subscribe to tick: it has ticks; the component is tick";
  await untilLogged(daemon, new RegExp(`WARN {2}\\[tick\\] .*${reason}`));
  expect(await components(daemon)).toContain(reason);
  await app.kill();
});

test("an HTTP app under grpc gets its remedy in the log, the state and the list of components", async () => {
  const server = createServer((_, response) => void response.end()).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  await using daemon = await daemonFor(address.port, "grpc");
  const remedy = "the app speaks HTTP/1.1, and --app-protocol is grpc; say --app-protocol http";
  await untilLogged(daemon, new RegExp(`ERROR the app speaks another protocol .*${remedy}`));
  expect(await components(daemon)).toContain(remedy);
  const metadata = await fetch(`http://127.0.0.1:${daemon.httpPort}/v1.0/metadata`);
  expect(await metadata.json()).toMatchObject({ components: [{ state: "waiting for app" }] });
  server.closeAllConnections();
  server.close();
});
