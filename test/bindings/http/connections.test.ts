import { createServer } from "node:http";
import type { ServerResponse } from "node:http";
import { expect, test, vi } from "vitest";
import http from "../../../src/bindings/http/index.ts";
import { openOutput } from "../opened-output.ts";
import type { OpenedOutput } from "../opened-output.ts";
import { listen, startLoopback } from "./loopback-server.ts";

test("2,000 calls at one time open no more connections than maxConnections, 512 unless said otherwise", async () => {
  let open = 0;
  let most = 0;
  await using server = await startLoopback(
    (_received, response) => void setImmediate(() => response.end("x")),
    (listener) => {
      const created = createServer(listener);
      created.on("connection", (socket) => {
        most = Math.max(most, ++open);
        socket.on("close", () => open--);
      });
      return created;
    },
  );
  for (const [properties, limit] of [
    [{ maxConnections: "5" }, 5],
    [{}, 512],
  ] as const) {
    most = 0;
    await using output = await openOutput(http, { url: server.url, ...properties });
    const calls = Array.from({ length: 2000 }, () => output.invoke("post", {}, { data: "x" }));
    await Promise.all(calls);
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(limit);
    await output[Symbol.asyncDispose]();
    await vi.waitFor(() => expect(open).toBe(0));
  }
});

type Held = AsyncDisposable & { readonly output: OpenedOutput; readonly held: ServerResponse[] };

/** A server that keeps each request waiting for an answer, called by an output with one connection. */
async function hold(properties: Record<string, string> = {}): Promise<Held> {
  const held: ServerResponse[] = [];
  const server = await startLoopback((_received, response) => void held.push(response));
  const output = await openOutput(http, { url: server.url, maxConnections: "1", ...properties });
  return {
    output,
    held,
    async [Symbol.asyncDispose]() {
      await output[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

test("a call that waits for a connection keeps its deadline, and was not sent", async () => {
  await using at = await hold();
  const first = at.output.invoke("get");
  await vi.waitFor(() => expect(at.held).toHaveLength(1));
  const controller = new AbortController();
  const { signal } = controller;
  const second = at.output.invoke("get", {}, { signal });
  const third = at.output.invoke("get");
  controller.abort();
  await expect(second).rejects.toMatchObject({
    reason: "cancelled",
    effect: "unsent",
    message: expect.stringContaining("waiting for a connection (maxConnections)"),
  });
  at.held[0]?.end("first");
  await first;
  // The one that has left is not waited for.
  await vi.waitFor(() => expect(at.held).toHaveLength(2));
  at.held[1]?.end("third");
  await third;
});

test("responseTimeout counts the time for which a call waits for a connection", async () => {
  await using at = await hold({ responseTimeout: "1s" });
  const running = Promise.allSettled([at.output.invoke("get"), at.output.invoke("get")]);
  await vi.waitFor(() => expect(at.held).toHaveLength(1));
  // Both times are over before either call hears of it: else the second one may take the connection of the first in between.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_100);
  const [first, second] = await running;
  expect(first).toMatchObject({ reason: { reason: "deadline_exceeded", effect: "ambiguous" } });
  expect(second).toMatchObject({ reason: { reason: "deadline_exceeded", effect: "unsent" } });
  expect(at.held).toHaveLength(1);
});

test.each([
  ["a status that is an error", {}, (response: ServerResponse) => response.writeHead(500).end()],
  ["a broken connection", {}, (response: ServerResponse) => response.destroy()],
  [
    "a body that is cut",
    { maxResponseBodySize: "1" },
    (response: ServerResponse) => response.write("12345"),
  ],
])("after %s the connection is free again", async (_title, properties, fail) => {
  await using at = await hold(properties);
  const first = at.output.invoke("get").catch((error: unknown) => error);
  const second = at.output.invoke("get");
  await vi.waitFor(() => expect(at.held).toHaveLength(1));
  fail(at.held[0] as ServerResponse);
  await first;
  await vi.waitFor(() => expect(at.held).toHaveLength(2));
  at.held[1]?.end();
  await second;
});

test("calls that are given up, or fail, without a connection leave it to the next", async () => {
  const server = createServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  await using output = await openOutput(http, {
    url: `http://127.0.0.1:${port}`,
    maxConnections: "1",
  });
  const calls = Array.from({ length: 5 }, () => output.invoke("get"));
  for (const call of await Promise.allSettled(calls)) {
    expect(call).toMatchObject({ reason: { reason: "unavailable", effect: "unsent" } });
  }
});
