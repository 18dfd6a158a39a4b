import { createServer, type ServerHttp2Stream } from "node:http2";
import { mkdtemp, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AppProcess } from "../../bench/apps/app-process.ts";
import { benchGo } from "../../bench/bench-go.ts";
import { createCaller } from "../../bench/load/calls.ts";
import { runGrpcLoad } from "../../bench/load/grpc-load.ts";
import { grpcFrame } from "../../bench/wire/grpc.ts";
import { eventPayload, nowMicroseconds } from "../../bench/wire/payload.ts";
import { BindingEventRequestSchema } from "../../gen/dapr/proto/runtime/v1/appcallback_pb.ts";
import { releasePort, reservePort } from "../servers/ports.ts";

let missing: string | undefined;
const program = await benchGo().catch((error: Error) => {
  if (process.env["CI"]) throw error;
  missing = error.message;
  return "";
});
// A body that needs several frames, and more than the first window of the connection for all.
const body = grpcFrame(Buffer.alloc(40_000, "request"));
const callback = "/dapr.proto.runtime.v1.AppCallback";
let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "cufflink-bench-go-"));
});
afterAll(() => rm(folder, { recursive: true }));

const title = missing === undefined ? "" : ` is NOT TESTED: ${missing}`;
describe.skipIf(missing !== undefined)(`the bench's program in Go${title}`, () => {
  test("each call has a traceparent and a grpc-timeout of its own, the same in each run", async () => {
    await using server = await serve("0");
    const load = { calls: 100, inFlight: 16, warm: 10 };
    const target = { protocol: "grpc", port: server.port, path: "/test", body } as const;
    const { rate, bodyBytes, p50 } = await runGrpcLoad(folder, target, load, false);
    expect([rate > 0, bodyBytes, p50 > 0]).toEqual([true, 100 * 11, true]);
    const first = server.seen.splice(0);
    await runGrpcLoad(folder, target, load, false);
    expect(server.seen.map(variable)).toEqual(first.map(variable));
    expect(new Set(first.map((head) => head["grpc-timeout"])).size).toBe(110);
    expect(new Set(first.map(({ traceparent }) => traceparent)).size).toBe(110);
    for (const head of first) {
      expect(head["traceparent"]).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
      expect(head["grpc-timeout"]).toMatch(/^\d{8}u$/);
      expect([head[":path"], head["te"], head["length"]]).toEqual([
        "/test",
        "trailers",
        String(body.length),
      ]);
    }
  });

  test("identical headers have neither", async () => {
    await using server = await serve("0");
    const target = { protocol: "grpc", port: server.port, path: "/test", body } as const;
    await runGrpcLoad(folder, target, { calls: 10, inFlight: 4, identical: true }, false);
    expect(server.seen.map(variable)).toEqual(Array.from({ length: 10 }, () => []));
  });

  test("a call that fails fails the load", async () => {
    await using server = await serve("13");
    const target = { protocol: "grpc", port: server.port, path: "/test", body } as const;
    await expect(runGrpcLoad(folder, target, { calls: 10, inFlight: 4 }, false)).rejects.toThrow(
      /grpc-status 13: broken/,
    );
  });

  test("the app counts events, and tells when those that waited and those that were paced are there", async () => {
    const port = await reservePort();
    const order = { port, address: "", source: "", keys: 2, waiting: 4, warm: 1, paced: 2 };
    try {
      await using app = new AppProcess("bench-go", [program, "app"], order, [], false);
      await app.message("listening", 0);
      app.measure(process.pid);
      const call = async (method: string, message: Uint8Array): Promise<Buffer> => {
        const path = `${callback}/${method}`;
        using caller = createCaller({ protocol: "grpc", port, path, body: grpcFrame(message) });
        return await caller.call();
      };
      await expect(call("OnTopicEvent", new Uint8Array())).rejects.toThrow(/grpc-status 12/);
      expect((await call("ListInputBindings", new Uint8Array())).subarray(7).toString()).toBe("in");
      const send = async (key: number, place: number, stamp = 0): Promise<void> => {
        const data = eventPayload(key, place, stamp);
        const event = create(BindingEventRequestSchema, { name: "in", data, metadata: { a: "b" } });
        await call("OnBindingEvent", toBinary(BindingEventRequestSchema, event));
      };
      for (const [key, place] of [
        [0, 1],
        [0, 0],
        [0, 0],
        [1, 0],
        [1, 1],
      ] as const)
        await send(key, place);
      const drained = await app.message("drained", 4);
      expect(drained.counts).toEqual({ distinct: 4, duplicates: 1, outOfOrder: 1 });
      expect(drained.seconds).toBeGreaterThan(0);
      await send(0, 2, nowMicroseconds() - 5000);
      await send(1, 2, nowMicroseconds() - 5000);
      const { latencies } = await app.message("paced", 6);
      expect(latencies.p50).toBeGreaterThan(4.9);
    } finally {
      await releasePort(port);
    }
  });
});

type Seen = { readonly [name: string]: unknown };

function variable(head: Seen): unknown[] {
  return ["traceparent", "grpc-timeout"].flatMap((name) => head[name] ?? []);
}

async function serve(
  status: string,
): Promise<AsyncDisposable & { readonly port: number; readonly seen: Seen[] }> {
  const seen: Seen[] = [];
  const server = createServer({ settings: { maxConcurrentStreams: 8 } });
  server.on("stream", (stream: ServerHttp2Stream, headers) => {
    let length = 0;
    stream.on("error", () => {});
    stream.on("data", (chunk: Buffer) => (length += chunk.length));
    stream.on("end", () => {
      seen.push({ ...headers, length: String(length) });
      // A load that failed has ended with its calls under way.
      if (stream.destroyed) return;
      stream.respond(
        { ":status": 200, "content-type": "application/grpc" },
        { waitForTrailers: true },
      );
      stream.on("wantTrailers", () => {
        if (stream.destroyed) return;
        stream.sendTrailers({ "grpc-status": status, "grpc-message": "broken" });
      });
      stream.end(grpcFrame(Buffer.from("answer")));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    async [Symbol.asyncDispose]() {
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
