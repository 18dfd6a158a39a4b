import http2 from "node:http2";
import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { InvokeBindingRequestSchema } from "../../gen/dapr/proto/runtime/v1/dapr_pb.ts";
import { connectionOverhead } from "../../src/http2/limits.ts";
import { lookInterval, watchedCalls } from "../../src/grpc/watched-calls.ts";
import { MemoryBudget } from "../../src/memory/budget.ts";
import { createHttpEndpoints } from "../../src/server/http-endpoints.ts";
import { frame } from "../grpc/raw-client.ts";
import { until } from "../until.ts";
import { roads, type OpenRequest } from "./roads.ts";
import { sendRaw, serve } from "./serve.ts";

// What strangers make the server hold is bounded on each road, in bytes and in time.

const mebibyte = 1024 * 1024;

// What is loaded at the first call would make the first one wait, which counts no time.
beforeAll(async () => {
  await Promise.all([
    import("../../src/rpc/other-services.ts"),
    import("../../src/rpc/connect.ts"),
  ]);
});

describe.each(roads)("$name", (road) => {
  test("bodies beyond the listener's memory are refused at once, and all of it is free again", async () => {
    const memory = new MemoryBudget(8 * mebibyte);
    await using served = await serve({ memory });
    const share = memory.share("http");
    const size = mebibyte;
    const requests: OpenRequest[] = [];
    const answers: string[] = [];
    try {
      for (let count = 0; count < 12; count++) {
        const request = road.open(served.port, size);
        requests.push(request);
        void request.answer.then((answer) => answers.push(answer));
        // All but the last byte, and then silence.
        request.write(Buffer.alloc(size - 1, 0x20));
      }
      // Nine of them at the least have no room in four mebibytes.
      await until(() => answers.length >= 8, { what: () => `${answers.length} refusals` });
      expect(answers.filter((answer) => !road.noRoom.includes(answer))).toEqual([]);
      expect(answers.length).toBeLessThan(12);
      // What a connection takes itself is counted, and never refused.
      expect(share.used).toBeLessThanOrEqual(share.limit + 12 * connectionOverhead);
      const cut = answers.filter((answer) => answer === "cut").length;
      expect(share.refusals).toBeGreaterThanOrEqual(answers.length - cut);
    } finally {
      for (const request of requests) request.destroy();
    }
    await until(() => share.used === 0, { what: () => `${share.used} bytes to be released` });
    expect(memory.used).toBe(0);
  });

  test.each([
    ["silence", 0],
    ["a byte a second", 1],
  ])("%s ends a body after half a minute", async (_, each) => {
    const memory = new MemoryBudget();
    await using served = await serve({ memory });
    const request = road.open(served.port, mebibyte);
    const answers: string[] = [];
    void request.answer.then((told) => answers.push(told));
    request.write(Buffer.alloc(100));
    await roundTrip(served.port);
    let seconds = 0;
    for (; answers.length === 0 && seconds < 70; seconds += lookInterval / 1000) {
      if (each > 0) request.write(Buffer.alloc((each * lookInterval) / 1000));
      await roundTrip(served.port);
      watchedCalls.look();
      await roundTrip(served.port);
    }
    expect(answers).toEqual([road.tooSlow]);
    // The timer looks as well while the test runs.
    expect(seconds).toBeGreaterThanOrEqual(24);
    expect(seconds).toBeLessThan(40);
    request.destroy();
    await until(() => memory.used === 0, { what: () => `${memory.used} bytes to be released` });
  });

  test("a body of 2 KiB a second is taken for minutes", async () => {
    await using served = await serve();
    const request = road.open(served.port, mebibyte);
    let answer: string | undefined;
    void request.answer.then((told) => (answer = told));
    for (let seconds = 0; seconds < 180; seconds += lookInterval / 1000) {
      request.write(Buffer.alloc(2048 * 2));
      await roundTrip(served.port);
      watchedCalls.look();
    }
    await roundTrip(served.port);
    expect(answer).toBeUndefined();
    request.destroy();
  });
});

describe("answers that nobody reads", () => {
  const size = 8 * mebibyte;
  beforeEach(() => void (watchedCalls.longestUnread = 200));
  afterEach(() => void (watchedCalls.longestUnread = 30_000));

  test("over HTTP/1.1 end with their connection, and are held until then", async () => {
    const memory = new MemoryBudget();
    await using served = await serve({ memory });
    const body = `{"operation":"big","metadata":{"size":"${size}"}}`;
    const head = `POST /v1.0/bindings/probe HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n`;
    const socket = connect({ host: "127.0.0.1", port: served.port });
    socket.on("error", () => undefined);
    socket.pause();
    socket.write(head + body);
    await until(() => memory.used >= size, { what: "the answer to be held" });
    watchedCalls.look();
    await until(() => memory.used === 0, { what: "the answer to be given up" });
    socket.destroy();
  });

  test("over gRPC end with their stream", async () => {
    const memory = new MemoryBudget();
    await using served = await serve({ memory, maxBodySize: 2 * size });
    const session = http2.connect(`http://127.0.0.1:${served.port}`);
    const stream = session.request({
      ":method": "POST",
      ":path": "/dapr.proto.runtime.v1.Dapr/InvokeBinding",
      "content-type": "application/grpc",
      te: "trailers",
    });
    stream.on("error", () => undefined);
    stream.pause();
    const metadata = { size: String(size) };
    const request = { name: "probe", operation: "big", metadata };
    stream.end(
      frame(toBinary(InvokeBindingRequestSchema, create(InvokeBindingRequestSchema, request))),
    );
    // The first part of it fits into the client's window, 64 KiB.
    await until(() => memory.used >= size - 64 * 1024, { what: "the answer to be held" });
    watchedCalls.look();
    // What the connection itself takes stays.
    await until(() => memory.used === connectionOverhead, { what: "the answer to be given up" });
    session.destroy();
  });

  test("on Dapr's path over HTTP/2 end with their stream", async () => {
    const memory = new MemoryBudget();
    await using served = await serve({ memory });
    const session = http2.connect(`http://127.0.0.1:${served.port}`);
    const stream = session.request({ ":method": "POST", ":path": "/v1.0/bindings/probe" });
    stream.on("error", () => undefined);
    stream.pause();
    stream.end(`{"operation":"big","metadata":{"size":"${size}"}}`);
    await until(() => memory.used >= size, { what: "the answer to be held" });
    watchedCalls.look();
    await until(() => memory.used === connectionOverhead, { what: "the answer to be given up" });
    await until(() => stream.rstCode === http2.constants.NGHTTP2_CANCEL, { what: "the reset" });
    session.destroy();
  });

  test("that are read slowly are let be", async () => {
    watchedCalls.longestUnread = 1000;
    await using served = await serve();
    const body = `{"operation":"big","metadata":{"size":"${size}"}}`;
    const head = `POST /v1.0/bindings/probe HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n`;
    const socket = connect({ host: "127.0.0.1", port: served.port });
    let read = 0;
    socket.on("data", (chunk: Buffer) => {
      read += chunk.length;
      socket.pause();
      setTimeout(() => socket.resume(), 10);
    });
    socket.write(head + body);
    const looking = setInterval(() => watchedCalls.look(), 50);
    await until(() => read > size, { what: () => `${read} bytes` });
    clearInterval(looking);
    socket.destroy();
  });
});

test("a webhook that is flooded takes nothing from Dapr's ports", async () => {
  const memory = new MemoryBudget(8 * mebibyte);
  await using served = await serve({ memory });
  await using endpoint = await createHttpEndpoints(memory).listen("127.0.0.1", 0, "/");
  expect(endpoint.memory.reserve(4 * mebibyte)).toBe(true);
  expect(endpoint.memory.reserve(1)).toBe(false);
  const data = "a".repeat(2 * mebibyte);
  const body = JSON.stringify({ operation: "create", data });
  const answer = await fetch(`http://127.0.0.1:${served.port}/v1.0/bindings/probe`, {
    ...{ method: "POST", body },
  });
  expect(answer.status).toBe(204);
});

test("messages that are packed a thousand to one count as what they are", async () => {
  const memory = new MemoryBudget(64 * mebibyte);
  await using served = await serve({ memory });
  const share = memory.share("http");
  const request = { name: "probe", operation: "pause", data: Buffer.alloc(4 * mebibyte - 100) };
  const packed = gzipSync(
    toBinary(InvokeBindingRequestSchema, create(InvokeBindingRequestSchema, request)),
  );
  const session = http2.connect(`http://127.0.0.1:${served.port}`);
  const statuses: string[] = [];
  for (let count = 0; count < 20; count++) {
    const stream = session.request({
      ":method": "POST",
      ":path": "/dapr.proto.runtime.v1.Dapr/InvokeBinding",
      ...{ "content-type": "application/grpc", "grpc-encoding": "gzip", te: "trailers" },
    });
    stream.on("error", () => undefined);
    stream.on("response", (headers) => statuses.push(String(headers["grpc-status"])));
    stream.end(frame(packed, 1));
  }
  // Seven of them have room in 32 MiB.
  await until(() => statuses.length === 13, { what: () => `13 refusals of ${statuses.length}` });
  expect(new Set(statuses)).toEqual(new Set(["14"]));
  expect(share.used).toBeLessThanOrEqual(share.limit);
  expect(served.calls).toHaveLength(7);
  session.destroy();
  await until(() => share.used === 0, { what: "all of it to be released" });
});

test("a body in tiny chunks is cut: each costs as much as a large one", async () => {
  await using served = await serve();
  const answer = await sendRaw(
    served.port,
    "POST /v1.0/bindings/probe HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
    "1\r\n \r\n".repeat(5000),
  );
  expect(answer).toBe("");
  expect(served.calls).toEqual([]);
  const few = await sendRaw(
    served.port,
    "POST /v1.0/bindings/probe HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
    `${"1\r\n \r\n".repeat(900)}16\r\n{"operation":"create"}\r\n0\r\n\r\n`,
  );
  expect(few).toMatch(/^HTTP\/1\.1 204 /);
});

test("what a body announces takes no room", async () => {
  await using served = await serve();
  const before = process.memoryUsage().arrayBuffers;
  const sockets = Array.from({ length: 50 }, () => {
    const socket = connect({ host: "127.0.0.1", port: served.port });
    socket.write(
      "POST /dapr.proto.runtime.v1.Dapr/InvokeBinding HTTP/1.1\r\nHost: x\r\n" +
        `Content-Type: application/json\r\nContent-Length: ${4 * mebibyte}\r\n\r\n{`,
    );
    return socket;
  });
  await roundTrip(served.port);
  await roundTrip(served.port);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(50 * mebibyte);
  for (const socket of sockets) socket.destroy();
});

/** What was written before has come, too. */
async function roundTrip(port: number): Promise<void> {
  await (await fetch(`http://127.0.0.1:${port}/v1.0/healthz`)).arrayBuffer();
}
