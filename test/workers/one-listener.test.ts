import { createServer, request } from "node:http";
import { connect } from "node:http2";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { startDaemon } from "../e2e/daemon.ts";
import { reservePort } from "../servers/ports.ts";
import { until } from "../until.ts";
import { Command, root } from "../cli/command.ts";

/** What `GET` of a path answers over a Unix socket. */
function getBySocket(socketPath: string, path: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request({ socketPath, path }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    })
      .on("error", reject)
      .end();
  });
}

test("webhooks of one port live in one worker, beside an app that listens; gRPC is forwarded whole", async () => {
  const folder = await mkdtemp(join(tmpdir(), "cufflink-workers-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const [appPort, hookPort] = [await reservePort(), await reservePort()];
  const came: string[] = [];
  const app = createServer((incoming, answer) => {
    if (incoming.method === "POST") came.push(incoming.url ?? "");
    incoming.resume();
    answer.end(JSON.stringify({ thanks: incoming.url }));
  });
  await new Promise<void>((resolve) => void app.listen(appPort, "127.0.0.1", resolve));
  onTestFinished(() => void app.close());
  const hook = (name: string) => ({
    ...{ name, type: "bindings.webhook" },
    metadata: { address: `127.0.0.1:${hookPort}`, path: `/${name}`, verification: "none" },
  });
  await using daemon = await startDaemon({
    components: [
      hook("one"),
      { name: "tick", type: "bindings.cron", metadata: { schedule: "@every 1h" } },
      hook("two"),
    ],
    flags: ["--workers", "2", "--app-port", String(appPort), "--state-dir", folder],
    env: { HOME: folder },
  });
  for (const name of ["one", "two"]) {
    const post = () =>
      fetch(`http://127.0.0.1:${hookPort}/${name}`, { method: "POST", body: "hello" });
    await until(async () => (await post().catch(() => undefined))?.status === 200, {
      what: () => `${name}: ${daemon.output()}`,
    });
  }
  expect(new Set(came)).toEqual(new Set(["/one", "/two"]));
  // Four connections of gRPC, whichever worker each comes to, get a whole answer with its trailers.
  for (let time = 0; time < 4; time++) {
    const session = connect(`http://127.0.0.1:${daemon.grpcPort}`);
    const stream = session.request({
      ":method": "POST",
      ":path": "/cufflink.v1.Operations/ListComponents",
      "content-type": "application/grpc",
      te: "trailers",
    });
    const trailers = new Promise<Record<string, unknown>>((resolve) => {
      stream.once("trailers", resolve);
    });
    let bytes = 0;
    stream.on("data", (chunk: Buffer) => (bytes += chunk.length));
    stream.end(Buffer.alloc(5));
    expect((await trailers)["grpc-status"]).toBe("0");
    expect(bytes).toBeGreaterThan(100);
    const unknown = session.request({
      ":method": "POST",
      ":path": "/cufflink.v1.Operations/DescribeComponent",
      "content-type": "application/grpc",
      te: "trailers",
    });
    const head = new Promise<Record<string, unknown>>((resolve) => {
      unknown.once("response", resolve);
    });
    unknown.end(Buffer.alloc(5));
    unknown.resume();
    expect((await head)["grpc-status"]).toBe("5");
    session.close();
  }
  expect(await daemon.end()).toBe(0);
});

test("on Unix sockets one worker listens, which the log says", async () => {
  const folder = await mkdtemp(join(tmpdir(), "cufflink-workers-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const command = new Command(
    [
      ...["--app-id", "shop", "--unix-domain-socket", folder, "--workers", "2"],
      ...["--enable-metrics=false", "--state-dir", folder],
    ],
    { launcher: [join(root, "bin/cufflink")], env: {}, cwd: "/" },
  );
  await command.printed(/one worker takes all connections.*threads cannot share a Unix socket/);
  await command.printed(/Status: Running\./);
  expect(await getBySocket(join(folder, "dapr-shop-http.socket"), "/v1.0/healthz")).toBe(204);
  command.signal("SIGTERM");
  expect(await command.exited).toBe(0);
});
