import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import type { AddressInfo, Server } from "node:net";
import { join } from "node:path";
import { Code, ConnectError } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { expect, onTestFinished, test } from "vitest";
import { AppCallback } from "../../gen/dapr/proto/runtime/v1/appcallback_pb.ts";
import { createApp, DeadLetter } from "../../src/sdk/index.ts";
import { folder } from "../resources/folder.ts";
import { reservePort } from "../servers/ports.ts";
import { until } from "../until.ts";
import { startDaemon, type ComponentYaml, type Daemon } from "./daemon.ts";

const reason = "the order has no customer";

async function listening(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

/** An HTTP app that handles nothing, and says so with these headers. */
function httpApp(headers: Record<string, string>): Promise<number> {
  const server = createHttpServer((request, response) => {
    request.resume();
    if (request.method === "OPTIONS") return response.end();
    return response.writeHead(422, headers).end(reason);
  });
  onTestFinished(() => server.closeAllConnections());
  return listening(server);
}

/** A gRPC app that knows Dapr's callback alone, made with Connect. */
function grpcApp(...bindings: string[]): Promise<number> {
  const adapter = connectNodeAdapter({
    routes: (router) =>
      router.service(AppCallback, {
        listInputBindings: () => ({ bindings }),
        onBindingEvent() {
          const metadata = { "cufflink-outcome": "dead_letter" };
          throw new ConnectError(reason, Code.InvalidArgument, metadata);
        },
      }),
  });
  return listening(createHttp2Server(adapter));
}

/** Starts a daemon whose records are its own; the app's port where it has one. */
async function start(components: ComponentYaml[], protocol?: "http" | "grpc", port?: number) {
  const daemon = await startDaemon({
    components,
    flags: port === undefined ? [] : ["--app-port", String(port), "--app-protocol", protocol ?? ""],
    env: { XDG_STATE_HOME: folder({}) },
  });
  onTestFinished(() => daemon[Symbol.asyncDispose]());
  return daemon;
}

async function deadLetters(daemon: Daemon): Promise<Record<string, unknown>[]> {
  const answer = await fetch(
    `http://127.0.0.1:${daemon.httpPort}/cufflink.v1.DeadLetters/ListDeadLetters`,
    { method: "POST", headers: { "content-type": "application/json" }, body: "{}" },
  );
  const body = (await answer.json()) as { deadLetters?: Record<string, unknown>[] };
  return body.deadLetters ?? [];
}

async function hook(): Promise<{ component: ComponentYaml; url: string }> {
  const address = `127.0.0.1:${await reservePort()}`;
  const component = { name: "hook", type: "bindings.webhook", metadata: { address } };
  return { component, url: `http://${address}/hook` };
}

async function untilState(daemon: Daemon, name: string, state: string): Promise<void> {
  await until(async () => (await daemon.state(name)) === state, {
    what: () => `${name} to be ${state}:\n${daemon.output()}`,
    within: 30_000,
  });
}

/** What the sender is answered stands for "handled": by then the dead letter must be stored. */
async function expectOneDeadLetter(daemon: Daemon, url: string): Promise<void> {
  await untilState(daemon, "hook", "running");
  const answer = await fetch(url, { method: "POST", body: "order 1" });
  expect(answer.status, daemon.output()).toBe(202);
  expect(await deadLetters(daemon)).toMatchObject([
    { component: "hook", cause: "DEAD_LETTER_CAUSE_REFUSED", reason, failedAttempts: 1 },
  ]);
}

test.each([
  ["an HTTP app", "http", () => httpApp({ "cufflink-outcome": "dead_letter" })],
  ["a gRPC app with unary calls", "grpc", () => grpcApp("hook")],
] as const)("%s has an event put into the dead letters at once", async (_, protocol, startApp) => {
  const { component, url } = await hook();
  await expectOneDeadLetter(await start([component], protocol, await startApp()), url);
});

test("so has an app of the library, on its stream", async () => {
  const { component, url } = await hook();
  const daemon = await start([component]);
  const app = createApp({ runtime: `127.0.0.1:${daemon.grpcPort}`, log: () => undefined });
  onTestFinished(() => app.close({ deadline: 0 }));
  app.on("hook", () => {
    throw new DeadLetter(reason);
  });
  await app.start();
  await expectOneDeadLetter(daemon, url);
});

test("what an HTTP app rejects for good goes where each component's onExhausted says, after one attempt", async () => {
  const port = await httpApp({ "cufflink-outcome": `dead_letter; ${encodeURIComponent(reason)}` });
  const input = (name: string, onExhausted: string): ComponentYaml & { path: string } => {
    const path = folder({ "order.txt": name });
    return {
      name,
      type: "bindings.file",
      metadata: { folder: path, quietTime: "10ms", onExhausted },
      path,
    };
  };
  const [archived, dropped, halted] = [
    input("archived", "output:archive"),
    input("dropped", "drop"),
    input("halted", "halt"),
  ] as const;
  const rootPath = folder({});
  const archive = { name: "archive", type: "bindings.localstorage", metadata: { rootPath } };
  const daemon = await start([archived, dropped, halted, archive], "http", port);
  const handled = ({ path }: { path: string }): boolean =>
    existsSync(join(path, "processed", "order.txt"));
  await until(() => handled(archived) && handled(dropped), {
    what: () => `the files to be put away:\n${daemon.output()}`,
    within: 30_000,
  });
  const stored = readdirSync(rootPath).map((name) => readFileSync(join(rootPath, name), "utf8"));
  expect(stored).toEqual(["archived"]);
  await untilState(daemon, "halted", "paused");
  expect(existsSync(join(halted.path, "order.txt"))).toBe(true);
  expect(await deadLetters(daemon)).toEqual([]);
  const given = daemon.output().match(/trying again is no use/g);
  expect(given, daemon.output()).toHaveLength(3);
});
