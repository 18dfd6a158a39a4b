import { createServer, type Http2Server } from "node:http2";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { Redis } from "ioredis";
import { afterEach, expect, test } from "vitest";
import { AppCallback } from "../../gen/dapr/proto/runtime/v1/appcallback_pb.ts";
import { describeWith, uniqueName } from "../servers/describe-with.ts";
import { reservePort } from "../servers/ports.ts";
import { until } from "../until.ts";
import { startDaemon } from "./daemon.ts";

let app: Http2Server | undefined;
afterEach(() => app?.close());

/** An app whose replies ask for an output and a state. */
async function startReplyingApp(port: number, state: string, data: Buffer): Promise<void> {
  const adapter = connectNodeAdapter({
    routes: (router) => {
      router.service(AppCallback, {
        listInputBindings: () => ({ bindings: ["hook"] }),
        onBindingEvent: () => ({
          data,
          to: ["files"],
          storeName: "store",
          states: [{ key: state, value: Buffer.from("saved") }],
        }),
      });
    },
  });
  const server = createServer(adapter);
  app = server;
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
}

describeWith("redis", (redis) => {
  test("a reply's `to` and `states` are done before the event counts as handled, byte for byte", async () => {
    const [appPort, hookPort] = await Promise.all([reservePort(), reservePort()]);
    const state = uniqueName("state");
    const data = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    await startReplyingApp(appPort, state, data);
    const redisHost = `${redis.host}:${redis.port}`;
    await using daemon = await startDaemon({
      components: [
        {
          name: "hook",
          type: "bindings.webhook",
          metadata: { address: `127.0.0.1:${hookPort}`, replyFanOut: "true" },
        },
        { name: "files", type: "bindings.localstorage", metadata: { rootPath: "stored" } },
        { name: "store", type: "state.redis", metadata: { redisHost } },
      ],
      flags: ["--app-port", String(appPort), "--app-protocol", "grpc"],
    });
    await until(async () => (await daemon.state("hook")) === "running", {
      what: () => daemon.output(),
    });
    const answer = await fetch(`http://127.0.0.1:${hookPort}/hook`, { method: "POST", body: "x" });
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(data);
    const folder = join(daemon.folder, "stored");
    const [file = ""] = await readdir(folder);
    expect(await readFile(join(folder, file))).toEqual(data);
    const client = new Redis(redis.port, redis.host);
    try {
      expect(await client.hgetall(`e2e||${state}`)).toEqual({ data: "saved", version: "1" });
    } finally {
      client.disconnect();
    }
  });

  test("a state store cannot be invoked from outside, and shows no binding's capability", async () => {
    const redisHost = `${redis.host}:${redis.port}`;
    await using daemon = await startDaemon({
      components: [{ name: "store", type: "state.redis", metadata: { redisHost } }],
    });
    const base = `http://127.0.0.1:${daemon.httpPort}/v1.0`;
    const body = '{"operation":"set","data":1,"metadata":{"key":"k"}}';
    const answer = await fetch(`${base}/bindings/store`, { method: "POST", body });
    expect(await answer.text()).toContain("couldn't find output binding store");
    expect(await (await fetch(`${base}/metadata`)).text()).toContain('"capabilities":[]');
  });
});
