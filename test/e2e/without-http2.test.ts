import { createServer, type Http2Server } from "node:http2";
import { connectNodeAdapter, createGrpcTransport } from "@connectrpc/connect-node";
import { createClient } from "@connectrpc/connect";
import { afterEach, expect, test } from "vitest";
import { AppCallback } from "../../gen/dapr/proto/runtime/v1/appcallback_pb.ts";
import { Dapr } from "../../gen/dapr/proto/runtime/v1/dapr_pb.ts";
import { describeWith, uniqueName } from "../servers/describe-with.ts";
import { reservePort } from "../servers/ports.ts";
import { until } from "../until.ts";
import { startDaemon } from "./daemon.ts";

let app: Http2Server | undefined;
afterEach(() => app?.close());

/** Prints, when a process or a thread of it ends, what it has loaded of Node's own HTTP/2. */
const printModules = `
import { writeSync } from "node:fs";
process.on("exit", () => {
  const loaded = process.moduleLoadList.filter((name) => name.includes("http2"));
  writeSync(2, "of HTTP/2: " + JSON.stringify(loaded) + "\\n");
});`;

// Connect's own protocols are another matter: Node's `Headers`, which they cannot do without, load its client for HTTP/2.
describeWith("redis", (redis) => {
  test("a daemon loads nothing of Node's own HTTP/2, for calls and events", async () => {
    const [appPort, hookPort] = await Promise.all([reservePort(), reservePort()]);
    let events = 0;
    const adapter = connectNodeAdapter({
      routes: (router) => {
        router.service(AppCallback, {
          listInputBindings: () => ({ bindings: ["hook"] }),
          onBindingEvent: () => ({ data: Buffer.from(`event ${++events}`) }),
        });
      },
    });
    const server = createServer(adapter);
    app = server;
    await new Promise<void>((resolve) => server.listen(appPort, "127.0.0.1", resolve));
    const metadata = { redisHost: `${redis.host}:${redis.port}` };
    await using daemon = await startDaemon({
      components: [
        { name: "keys", type: "bindings.redis", metadata },
        {
          name: "hook",
          type: "bindings.webhook",
          metadata: { address: `127.0.0.1:${hookPort}` },
        },
      ],
      flags: ["--app-port", String(appPort), "--app-protocol", "grpc"],
      env: {
        NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(printModules)}`,
      },
    });
    await until(async () => (await daemon.state("hook")) === "running", {
      what: () => daemon.output(),
    });
    for (let event = 0; event < 3; event++)
      await fetch(`http://127.0.0.1:${hookPort}/hook`, { method: "POST", body: "x" });
    expect(events).toBe(3);
    const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${daemon.grpcPort}` });
    const client = createClient(Dapr, transport);
    const key = uniqueName("without-http2");
    const call = { name: "keys", metadata: { key } };
    await client.invokeBinding({ ...call, operation: "create", data: Buffer.from("over gRPC") });
    const { data } = await client.invokeBinding({ ...call, operation: "get" });
    expect(Buffer.from(data).toString()).toBe("over gRPC");
    for (const port of [daemon.httpPort, daemon.grpcPort]) {
      const answer = await fetch(`http://127.0.0.1:${port}/v1.0/bindings/keys`, {
        method: "POST",
        body: JSON.stringify({ ...call, operation: "get" }),
      });
      expect(await answer.text()).toBe("over gRPC");
    }
    expect(await daemon.end()).toBe(0);
    const told = daemon.output().match(/^of HTTP\/2: .*$/gm) ?? [];
    expect(new Set(told)).toEqual(new Set(["of HTTP/2: []"]));
  });
});
