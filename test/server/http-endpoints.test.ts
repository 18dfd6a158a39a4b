import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import type { HttpEndpoint, HttpEndpoints } from "../../src/binding.ts";
import { createHttpEndpoints } from "../../src/server/http-endpoints.ts";
import { ask } from "./console/console.ts";

async function listen(endpoints: HttpEndpoints, path: string, port = 0): Promise<HttpEndpoint> {
  const endpoint = await endpoints.listen("127.0.0.1", port, path);
  onTestFinished(() => endpoint[Symbol.asyncDispose]());
  return endpoint;
}

function answering(endpoint: HttpEndpoint, text: string): () => void {
  return endpoint.handle((_, response) => void response.end(text));
}

async function get(port: number, path: string): Promise<{ status: number; text: string }> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  return { status: response.status, text: await response.text() };
}

test("two components share a port and differ by path", async () => {
  const endpoints = createHttpEndpoints();
  const first = await listen(endpoints, "/a");
  const second = await listen(endpoints, "/b", first.port);
  answering(first, "first");
  answering(second, "second");

  expect(second.port).toBe(first.port);
  expect(await get(first.port, "/a?x=/b")).toEqual({ status: 200, text: "first" });
  expect(await get(first.port, "/b")).toEqual({ status: 200, text: "second" });
});

test("components that begin at the same time share the port", async () => {
  const endpoints = createHttpEndpoints();
  const port = await freePort();
  const [first, second] = await Promise.all([
    listen(endpoints, "/a", port),
    listen(endpoints, "/b", port),
  ]);
  answering(first, "first");
  answering(second, "second");
  expect((await get(port, "/a")).text).toBe("first");
  expect((await get(port, "/b")).text).toBe("second");
});

test("an unknown path is 404, one without a handler 503 with Retry-After", async () => {
  const endpoint = await listen(createHttpEndpoints(), "/a");
  expect((await get(endpoint.port, "/other")).status).toBe(404);
  expect((await get(endpoint.port, "/a/")).status).toBe(404);
  const response = await fetch(`http://127.0.0.1:${endpoint.port}/a`);
  expect(response.status).toBe(503);
  expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);

  const release = answering(endpoint, "here");
  expect((await get(endpoint.port, "/a")).status).toBe(200);
  release();
  expect((await get(endpoint.port, "/a")).status).toBe(503);
});

test("a path has one handler; the next takes over after it is released", async () => {
  const endpoints = createHttpEndpoints();
  const old = await listen(endpoints, "/a");
  const next = await listen(endpoints, "/a", old.port);
  const release = answering(old, "old");

  expect(() => answering(next, "next")).toThrow(/another component takes the requests of \/a/);
  release();
  answering(next, "next");
  release();
  expect((await get(old.port, "/a")).text).toBe("next");

  await old[Symbol.asyncDispose]();
  expect((await get(next.port, "/a")).text).toBe("next");
});

test("the port is free again after its last endpoint, and answers under way get out", async () => {
  const endpoints = createHttpEndpoints();
  const endpoint = await listen(endpoints, "/a");
  const arrived = Promise.withResolvers<() => void>();
  endpoint.handle((_, response) => arrived.resolve(() => void response.end("late")));
  const asking = get(endpoint.port, "/a");
  const finish = await arrived.promise;

  const closed = endpoint[Symbol.asyncDispose]();
  finish();
  expect(await asking).toEqual({ status: 200, text: "late" });
  await closed;
  await expect(get(endpoint.port, "/a")).rejects.toThrow();

  const again = await listen(endpoints, "/a", endpoint.port);
  answering(again, "again");
  expect((await get(again.port, "/a")).text).toBe("again");
});

test("a port that is in use is an error that says so, and works once it is free", async () => {
  const endpoints = createHttpEndpoints();
  const { server, port } = await occupy();
  await expect(endpoints.listen("127.0.0.1", port, "/a")).rejects.toMatchObject({
    reason: "unavailable",
    effect: "unsent",
    systemCode: "EADDRINUSE",
    message: expect.stringContaining(`cannot listen on 127.0.0.1:${port}`),
  });
  await new Promise((resolve) => server.close(resolve));
  await listen(endpoints, "/a", port);
});

test("nobody who listens has to think of it: a foreign page, and a foreign host's name, get nowhere", async () => {
  const endpoint = await listen(createHttpEndpoints(), "/a");
  answering(endpoint, "here");
  for (const headers of [
    { origin: "https://evil.example" },
    { "sec-fetch-site": "cross-site" },
    { host: "evil.example" },
  ]) {
    const { status, text } = await ask(endpoint.port, "/a", { method: "POST", headers });
    expect([status, text]).toEqual([403, expect.stringContaining("ERR_CALLER_NOT_ALLOWED")]);
  }
  expect((await ask(endpoint.port, "/a", { method: "POST" })).text).toBe("here");
});

async function occupy(): Promise<{ server: Server; port: number }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return { server, port: (server.address() as AddressInfo).port };
}

async function freePort(): Promise<number> {
  const { server, port } = await occupy();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
