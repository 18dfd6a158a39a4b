import type { ServerResponse } from "node:http";
import { gzipSync } from "node:zlib";
import { expect, onTestFinished, test, vi } from "vitest";
import http from "../../../src/bindings/http/index.ts";
import { MemoryBudget } from "../../../src/memory/budget.ts";
import { openOutput } from "../opened-output.ts";
import { startLoopback, type Responder } from "./loopback-server.ts";

const share = 1_000_000;

async function open(respond: Responder, properties: Record<string, string> = {}) {
  const server = await startLoopback(respond);
  const memory = new MemoryBudget(2 * share).share("test");
  const options = { url: server.url, ...properties };
  const output = await openOutput(http, options, AbortSignal.timeout(20_000), memory);
  onTestFinished(async () => {
    await output[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });
  return { output, memory };
}

const noRoom = {
  reason: "resource_exhausted",
  effect: "ambiguous",
  message: expect.stringContaining("no room for the answer (--memory-budget)"),
};

test("answers at one time are gathered as far as the memory has room, and none of it is kept", async () => {
  const held: ServerResponse[] = [];
  const { output, memory } = await open((_received, response) => void held.push(response));
  const calls = Array.from({ length: 4 }, () => output.invoke("get"));
  await vi.waitFor(() => expect(held).toHaveLength(4));
  const [first, second, third, small] = held;
  first?.write(Buffer.alloc(600_000));
  await vi.waitFor(() => expect(memory.used).toBe(600_000));
  second?.write(Buffer.alloc(600_000));
  await expect(Promise.race(calls)).rejects.toMatchObject(noRoom);
  await vi.waitFor(() => expect(memory.used).toBe(600_000));
  // Once there is room again others have it, and small answers always do.
  small?.end("small");
  first?.end(Buffer.alloc(100_000));
  await vi.waitFor(() => expect(memory.used).toBe(0));
  third?.end(Buffer.alloc(900_000));
  const results = await Promise.allSettled(calls);
  const sizes = results.map((one) => (one.status === "fulfilled" ? one.value?.data?.length : -1));
  expect(sizes.toSorted((a = 0, b = 0) => a - b)).toEqual([-1, 5, 700_000, 900_000]);
  expect(memory.used).toBe(0);
});

test("what a small answer is unpacked to counts", async () => {
  const bomb = gzipSync(Buffer.alloc(20 * share));
  const { output, memory } = await open((_received, response) => {
    response.setHeader("content-encoding", "gzip");
    response.end(bomb);
  });
  await expect(output.invoke("get")).rejects.toMatchObject(noRoom);
  expect(memory.used).toBe(0);
});

test("of an answer that is cut only what is kept counts", async () => {
  const { output, memory } = await open(
    (_received, response) => void response.end(Buffer.alloc(3 * share)),
    { maxResponseBodySize: "900k" },
  );
  const answer = await output.invoke("get");
  expect(answer?.data).toHaveLength(900_000);
  expect(answer?.metadata).toMatchObject({ truncated: "true" });
  expect(memory.used).toBe(0);
});
