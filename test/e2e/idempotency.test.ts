import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Bindings } from "../../gen/cufflink/v1/bindings_pb.ts";
import { Dapr } from "../../gen/dapr/proto/runtime/v1/dapr_pb.ts";
import { startDaemon } from "./daemon.ts";

/** A server that numbers its requests. */
async function startServer() {
  let requests = 0;
  const server = createServer((request, response) => {
    request.resume();
    request.on("end", () => response.end(`order ${++requests}`));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: () => requests,
  };
}

test("a call with a key happens once, by every road and after a crash", async () => {
  const state = mkdtempSync(join(tmpdir(), "cufflink-idempotency-e2e-"));
  onTestFinished(() => rmSync(state, { recursive: true, force: true }));
  const upstream = await startServer();
  const start = () =>
    startDaemon({
      components: [{ name: "orders", type: "bindings.http", metadata: { url: upstream.url } }],
      flags: ["--state-dir", state],
    });
  const metadata = { "idempotency-key": "order 42" };
  const request = { name: "orders", operation: "create", metadata, data: Buffer.from("apples") };
  const text = (data: Uint8Array | undefined) => Buffer.from(data ?? []).toString();
  const replayed = { "idempotency-replayed": "true", statusCode: "200" };
  {
    await using daemon = await start();
    const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${daemon.grpcPort}` });
    const dapr = createClient(Dapr, transport);
    const bindings = createClient(Bindings, transport);
    const first = await dapr.invokeBinding(request);
    expect(text(first.data)).toBe("order 1");
    expect(first.metadata["idempotency-replayed"]).toBeUndefined();
    const again = await dapr.invokeBinding(request);
    expect(text(again.data)).toBe("order 1");
    expect(again.metadata).toMatchObject(replayed);
    const { results } = await bindings.invokeBindingBatch({ invocations: [request, request] });
    for (const { result } of results) {
      expect(result).toMatchObject({ case: "answer", value: { metadata: replayed } });
    }
    const { data, ...begin } = request;
    async function* chunks() {
      yield { chunks: [{ invocation: 1, start: begin, data: data.subarray(0, 3) }] };
      yield { chunks: [{ invocation: 1, data: data.subarray(3), last: true }] };
    }
    for await (const { chunks: answers } of bindings.invokeBindingStream(chunks())) {
      expect(answers[0]?.metadata).toMatchObject(replayed);
    }
    await daemon.end("SIGKILL");
  }
  await using daemon = await start();
  const dapr = createClient(
    Dapr,
    createGrpcTransport({ baseUrl: `http://127.0.0.1:${daemon.grpcPort}` }),
  );
  const later = await dapr.invokeBinding(request);
  expect(text(later.data)).toBe("order 1");
  expect(later.metadata).toMatchObject(replayed);
  expect(upstream.requests()).toBe(1);

  const body = JSON.stringify({ operation: "create", data: "pears", metadata });
  const other = await fetch(`http://127.0.0.1:${daemon.httpPort}/v1.0/bindings/orders`, {
    method: "POST",
    body,
  });
  expect(other.status).toBe(500);
  expect(other.headers.get("cufflink-reason")).toBe("failed_precondition");
  expect(upstream.requests()).toBe(1);
});
