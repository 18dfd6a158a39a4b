import { createServer } from "node:net";
import { afterEach, expect, onTestFinished, test, vi } from "vitest";
import { isLong } from "../long.ts";
import { reservePort } from "../servers/ports.ts";
import { until } from "../until.ts";
import { readyClient, untilReady } from "./connect-client.ts";
import { serveMethods, type ServedMethods } from "./grpc-server.ts";
import { startHttp2Server, type ServedCall } from "./http2-server.ts";

// What the client has to bear in production; `npm run test:long` takes the durations that the promises name.

const mebibyte = 1024 * 1024;
const minute = 60_000;
const path = "/test.Service/Method";
const message = Buffer.from("hello");

afterEach(() => {
  vi.useRealTimers();
});

async function serve(): Promise<ServedMethods> {
  const served = await serveMethods(
    {
      unary: {
        "/test/Echo": async (request) => request,
        async "/test/Wait"(request, { signal }) {
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
          return request;
        },
      },
      streams: { "/test/Stream": (requests) => requests },
    },
    { maxMessageSize: 5 * mebibyte },
  );
  onTestFinished(() => served[Symbol.asyncDispose]());
  return served;
}

test("32 streams of 4 MiB at once on one session, both ways", async () => {
  const served = await serve();
  const client = await readyClient(served.port);
  const large = (fill: number): Buffer => Buffer.alloc(4 * mebibyte, fill);
  const answers = await Promise.all(
    Array.from({ length: 32 }, async (_, index) => {
      async function* requests(): AsyncGenerator<Uint8Array> {
        yield large(index);
      }
      const received: Uint8Array[] = [];
      for await (const one of client.stream("/test/Stream", requests()).messages) {
        received.push(one);
      }
      return received.length === 1 && large(index).equals(received[0]!);
    }),
  );
  expect(answers).toEqual(Array(32).fill(true));
  expect(client.connection.generation).toBe(1);
});

test("1,000 cancellations a second leave the connection as it is", async () => {
  const served = await serve();
  const client = await readyClient(served.port);
  const seconds = isLong ? 30 : 2;
  const kinds = new Set<string>();
  for (let second = 0; second < seconds; second += 1) {
    const end = performance.now() + 1000;
    for (let batch = 0; batch < 10; batch += 1) {
      const abort = new AbortController();
      const calls = Array.from({ length: 100 }, () =>
        client.unary("/test/Wait", message, { signal: abort.signal }),
      );
      // So that some are cancelled before they are written, and some while they wait for their answer.
      if (batch % 2 === 0) await client.unary("/test/Echo", message);
      abort.abort();
      for (const { kind } of await Promise.all(calls)) kinds.add(kind);
    }
    if (isLong) await until(() => performance.now() >= end, { what: "the second to be over" });
  }
  expect(kinds).toEqual(new Set(["broken"]));
  expect(await client.unary("/test/Echo", message)).toMatchObject({ kind: "ok" });
  expect(client.connection.generation).toBe(1);
}, 120_000);

test("an app takes six minutes for its answer, and a client idles for ten", async () => {
  const held: ServedCall[] = [];
  await using server = await startHttp2Server((call) => void held.push(call));
  const client = await readyClient(server.port);
  vi.useFakeTimers({ toFake: ["setTimeout", "setInterval", "Date", "performance"] });
  const patient = client.unary(path, message);
  const limited = client.unary(path, message, { timeout: 5 * minute });
  await vi.waitFor(() => expect(held).toHaveLength(2));
  await vi.advanceTimersByTimeAsync(6 * minute);
  expect(await limited).toMatchObject({ kind: "broken", code: 4 });
  held[0]!.ok(message);
  expect(await patient).toMatchObject({ kind: "ok" });
  await vi.advanceTimersByTimeAsync(10 * minute);
  const again = client.unary(path, message);
  await vi.waitFor(() => expect(held).toHaveLength(3));
  held[2]!.ok(message);
  expect(await again).toMatchObject({ kind: "ok" });
  expect(client.connection.generation).toBe(1);
});

test("a server that hangs breaks calls and streams once a ping stays unanswered", async () => {
  const mute = createServer((socket) => {
    socket.on("error", () => {});
    // Its SETTINGS, and then nothing any more.
    socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]));
    socket.resume();
  });
  const port = await reservePort();
  await new Promise<void>((resolve) => void mute.listen(port, "127.0.0.1", resolve));
  onTestFinished(() => void mute.close());
  const client = await readyClient(port, { pingInterval: 20 });
  const unary = client.unary(path, message);
  const never = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) };
  const { messages } = client.stream(path, never);
  await expect(messages.next()).rejects.toMatchObject({ kind: "broken", code: 14 });
  expect(await unary).toMatchObject({ kind: "broken", code: 14 });
  await untilReady(client.connection, false);
});
