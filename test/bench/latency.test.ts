import { createServer, type ServerHttp2Stream } from "node:http2";
import { mkdtemp, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { measureLatency, warmUpCalls } from "../../bench/load/latency.ts";
import { grpcFrame } from "../../bench/wire/grpc.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "cufflink-latency-"));
});
afterAll(() => rm(folder, { recursive: true }));

const body = grpcFrame(Buffer.from("request"));

test("a server that stalls has the stall in each call that was due meanwhile", async () => {
  const [calls, rate] = [100, 200];
  const held: ServerHttp2Stream[] = [];
  await using server = await serve((stream, number) => {
    if (number <= warmUpCalls) return answer(stream, "0");
    held.push(stream);
    // Only a client that does not wait for answers sends the last call.
    if (held.length === calls) for (const each of held) answer(each, "0");
  });
  const target = { protocol: "grpc", port: server.port, path: "/test", body } as const;
  const { p50, p90, p99 } = await measureLatency(folder, target, calls, rate);
  const lastDue = ((calls - 1) * 1000) / rate;
  // The call that is due first waits until the last is: 495 ms; the median half of that.
  expect(p99).toBeGreaterThan(lastDue - 10);
  expect(p90).toBeGreaterThan(lastDue * 0.85);
  expect(p50).toBeGreaterThan(lastDue * 0.45);
});

test("a call that fails fails the measurement", async () => {
  await using server = await serve((stream, number) =>
    answer(stream, number === warmUpCalls + 3 ? "13" : "0"),
  );
  const target = { protocol: "grpc", port: server.port, path: "/test", body } as const;
  await expect(measureLatency(folder, target, 5)).rejects.toThrow(/grpc-status 13/);
});

async function serve(
  handle: (stream: ServerHttp2Stream, number: number) => void,
): Promise<AsyncDisposable & { port: number }> {
  const server = createServer();
  let number = 0;
  server.on("stream", (stream: ServerHttp2Stream) => {
    stream.on("error", () => {});
    stream.resume();
    stream.on("end", () => handle(stream, ++number));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function answer(stream: ServerHttp2Stream, status: string): void {
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": status }));
  stream.end(grpcFrame(Buffer.from("answer")));
}
