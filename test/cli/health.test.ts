import { spawnSync } from "node:child_process";
import { createServer, type Server } from "node:http";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { makeCertificates } from "../bindings/certificates.ts";
import { startDaemon, type Daemon } from "../e2e/daemon.ts";
import { component } from "../resources/folder.ts";
import { reservePort } from "../servers/ports.ts";
import { root } from "./command.ts";
import { cufflinkHere } from "./in-process.ts";

const certificates = makeCertificates();
afterAll(() => certificates.remove());

const token = { DAPR_API_TOKEN: "letmein" };
const components = [
  component("tick", "bindings.cron", '- {name: schedule, value: "@yearly"}'),
  component("notes", "bindings.localstorage", "- {name: rootPath, value: notes}"),
  component(
    "orders",
    "bindings.redis",
    "- {name: redisHost, value: 127.0.0.1:1}\n- {name: readiness, value: required}",
  ),
];

describe("a daemon", () => {
  let httpPort = "";
  let grpcPort = "";
  let sockets = "";
  const daemons: Daemon[] = [];

  beforeAll(async () => {
    sockets = mkdtempSync(join(tmpdir(), "cufflink-health-"));
    const { certPath, keyPath } = certificates.server;
    const tls = ["--unix-domain-socket", sockets, "--tls-cert", certPath, "--tls-key", keyPath];
    const both = [startDaemon({ components, env: token }), startDaemon({ components, flags: tls })];
    daemons.push(...(await Promise.all(both)));
    httpPort = String(daemons[0]?.httpPort);
    grpcPort = String(daemons[0]?.grpcPort);
  });
  afterAll(async () => {
    await Promise.all(daemons.map((one) => one[Symbol.asyncDispose]()));
    rmSync(sockets, { recursive: true, force: true });
  });

  test("is healthy on both ports, though a server of its components is down", async () => {
    for (const args of [
      ["--dapr-http-port", httpPort],
      ["--address", `127.0.0.1:${grpcPort}`],
    ])
      expect(await cufflinkHere(["health", ...args])).toEqual({
        code: 0,
        stdout: "healthy\n",
        stderr: "",
      });
    const found = await cufflinkHere(["health"], { DAPR_HTTP_PORT: httpPort });
    expect(found).toMatchObject({ code: 0 });
    const endpoint = { DAPR_HTTP_ENDPOINT: `http://127.0.0.1:${httpPort}` };
    expect(await cufflinkHere(["health"], endpoint)).toMatchObject({ code: 0 });
  });

  test("is not ready while a required component is down, and says which", async () => {
    const asked = await cufflinkHere(["health", "--ready", "--dapr-http-port", httpPort]);
    expect(asked).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringMatching(
        /^cufflink: not healthy at 127\.0\.0\.1:\d+: it answered 503: required components are down: orders is \w+.*ECONNREFUSED/,
      ) as string,
    });
  });

  test.each([
    ["notes", 0, /^$/],
    ["tick", 1, /^tick is waiting for app: there is no app/],
    ["nosuch", 1, /^no component is called "nosuch"$/],
  ])("component %s ends with %i, in JSON too", async (name, code, reason) => {
    const args = ["health", "--component", name, "--dapr-http-port", httpPort, "--json"];
    const asked = await cufflinkHere(args, token);
    expect(asked.code).toBe(code);
    expect(JSON.parse(asked.stdout)).toEqual({
      healthy: code === 0,
      address: `127.0.0.1:${httpPort}`,
      status: 200,
      reason: expect.stringMatching(reason) as string,
      took: expect.any(Number) as number,
    });
  });

  test("components are shown only to those with the token; health to all", async () => {
    const asked = await cufflinkHere(["health", "--component=notes", "--dapr-http-port", httpPort]);
    expect(asked).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("it answered 401: invalid api token") as string,
    });
  });

  test("answers on its sockets by TLS, to those who trust it", async () => {
    const address = ["--address", `unix:${join(sockets, "dapr-e2e-http.socket")}`];
    const { caPath } = certificates;
    expect(await cufflinkHere(["health", ...address, "--ca", caPath])).toMatchObject({ code: 0 });
    expect(await cufflinkHere(["health", ...address, "--insecure"])).toMatchObject({ code: 0 });
    expect(await cufflinkHere(["health", "--address", `${address[1]}?tls=true`])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("certificate") as string,
    });
  });
});

test("--wait asks until it is healthy, and says the last reason when it never is", async () => {
  const port = String(await reservePort());
  const late = cufflinkHere(["health", "--wait", "20s", "--dapr-http-port", port]);
  const server = await answering(Number(port), [500, 500, 204]);
  expect(await late).toMatchObject({ code: 0, stdout: "healthy\n" });
  expect(server.left()).toBe(0);
  const never = await cufflinkHere(["health", "--wait", "300ms", "--dapr-http-port", port]);
  expect(never).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("it answered 500: dapr is not ready") as string,
  });
});

test("where TLS is the reason for no answer, it is said what to do", async () => {
  const ending = createServer((request) => request.socket.destroy()).listen(0, "127.0.0.1");
  await once(ending, "listening");
  onTestFinished(() => closed(ending));
  const { port } = ending.address() as { port: number };
  expect((await cufflinkHere(["health", `--dapr-http-port=${port}`])).stderr).toBe(
    `cufflink: not healthy at 127.0.0.1:${port}: socket hang up; if it speaks TLS there, say --address https://host:port, or --ca or --insecure\n`,
  );
  const plain = createServer((_, response) => response.end()).listen(0, "127.0.0.1");
  await once(plain, "listening");
  onTestFinished(() => closed(plain));
  const there = (plain.address() as { port: number }).port;
  const asked = await cufflinkHere(["health", "--insecure", `--dapr-http-port=${there}`]);
  expect(asked.stderr).toContain("it does not speak TLS there; leave out https://");
});

test("what does not answer is not healthy after --timeout", async () => {
  const silent = createServer(() => undefined).listen(0, "127.0.0.1");
  await once(silent, "listening");
  onTestFinished(() => closed(silent));
  const { port } = silent.address() as { port: number };
  const asked = await cufflinkHere(["health", "--timeout=100ms", `--dapr-http-port=${port}`]);
  expect(asked).toMatchObject({
    code: 1,
    stderr: `cufflink: not healthy at 127.0.0.1:${port}: no answer within 100 ms\n`,
  });
});

test.each([
  [["--address", "unix://nosuch"], "is not host:port, https://host:port or unix:path"],
  [["--dapr-http-port", "http"], '--dapr-http-port "http" is not a port'],
  [["--dapr-http-port", "1", "--address", "a:1"], "say one of them"],
  [["--ready", "--component", "a"], "say one of them"],
  [["--ca", "/nosuch"], "--ca cannot be read"],
  [["--wait", "soon"], '--wait "soon" is not a duration'],
])("%j is a mistake of usage", async (args, text) => {
  const asked = await cufflinkHere(["health", ...args], { DAPR_HTTP_PORT: "1" });
  expect(asked).toMatchObject({ code: 2, stderr: expect.stringContaining(text) as string });
});

test("a check loads neither a client, nor Connect, nor a binding", () => {
  const hooks = `import { registerHooks } from "node:module";
    registerHooks({ load(url, context, next) { console.error(url); return next(url, context); } });`;
  const preload = `data:text/javascript,${encodeURIComponent(hooks)}`;
  const main = join(root, "src/main.ts");
  const { status, stderr } = spawnSync(
    process.execPath,
    ["--import", preload, main, "health", "--address", "127.0.0.1:1"],
    { encoding: "utf8", env: { ...process.env, SSL_CERT_FILE: "/nosuch" } },
  );
  expect(status).toBe(1);
  const loaded = stderr.split("\n").filter((line) => /^(file|node):/.test(line));
  expect(loaded.some((url) => url.endsWith("src/cli/health-request.ts"))).toBe(true);
  const heavy =
    /\/src\/(rpc|server|store|http2|bindings\/index|runtime\/runtime)|@(connectrpc|bufbuild)|node:(https|tls)/;
  expect(loaded.filter((url) => heavy.test(url))).toEqual([]);
});

/** A server that gives these answers, and the last but one after them. */
async function answering(port: number, statuses: number[]) {
  const server = createServer((_, response) => {
    const status = statuses.shift() ?? 500;
    response.writeHead(status).end(status === 204 ? "" : '{"message":"dapr is not ready"}');
  }).listen(port, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => closed(server));
  return { left: () => statuses.length };
}

async function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
}
