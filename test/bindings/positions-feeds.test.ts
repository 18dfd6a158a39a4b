// As positions.test.ts, for sources whose positions the runtime keeps.
import { describe, expect, test, vi } from "vitest";
import http from "../../src/bindings/http/index.ts";
import sse from "../../src/bindings/sse/index.ts";
import websocket from "../../src/bindings/websocket/index.ts";
import { MemoryStore } from "../store/memory-store.ts";
import { endAfterTest, read } from "./contract.ts";
import { EventServer } from "./sse/event-server.ts";
import { RawServer } from "./websocket/raw-server.ts";
import { startLoopback } from "./http/loopback-server.ts";

const soon = { timeout: 20_000, interval: 5 };

describe("http", () => {
  async function place(list: readonly number[]) {
    let items = list;
    const server = await startLoopback((_received, response) =>
      response.end(JSON.stringify(items)),
    );
    endAfterTest(async () => server[Symbol.asyncDispose]());
    const store = new MemoryStore();
    const begin = (more: Record<string, string> = {}) =>
      read(
        { binding: http },
        { properties: { url: server.url, interval: "20ms", itemsPath: "$", ...more }, store },
      );
    const polls = async (): Promise<void> => {
      const before = server.received.length;
      await vi.waitFor(() => expect(server.received.length).toBeGreaterThan(before + 2), soon);
    };
    return { begin, polls, set: (next: readonly number[]) => void (items = next) };
  }

  test("http: Without a position", async () => {
    const { begin } = await place([1, 2]);
    const oldest = await begin();
    await vi.waitFor(() => expect(oldest.app.texts).toEqual(["1", "2"]), soon);
    await oldest.runtime.close();
    const other = await place([1, 2]);
    const newest = await other.begin({ startFrom: "newest" });
    await other.polls();
    other.set([1, 2, 3]);
    await vi.waitFor(() => expect(newest.app.texts).toEqual(["3"]), soon);
  });

  test("http: After a gap", async () => {
    const { begin, set } = await place([1, 2]);
    const first = await begin();
    await vi.waitFor(() => expect(first.status().handled).toBe(2), soon);
    await first.runtime.close();
    set([1, 2, 3]);
    set([1, 2, 4]);
    const second = await begin();
    await vi.waitFor(() => expect(second.app.texts).toEqual(["4"]), soon);
  });

  test("http: Grows", async () => {
    const { begin, polls, set } = await place([1]);
    const { app } = await begin();
    await vi.waitFor(() => expect(app.texts).toEqual(["1"]), soon);
    set([0, 1, 2]);
    await vi.waitFor(() => expect(app.texts).toEqual(["1", "0", "2"]), soon);
    await polls();
    expect(app.texts).toHaveLength(3);
  });

  test("http: Shrinks", async () => {
    const { begin, polls, set } = await place([1, 2]);
    const { app, status } = await begin();
    await vi.waitFor(() => expect(status().handled).toBe(2), soon);
    set([2]);
    await polls();
    set([1, 2]);
    await vi.waitFor(() => expect(app.texts).toEqual(["1", "2", "1"]), soon);
  });

  test("http: Made anew", async () => {
    const { begin, set } = await place([1, 2]);
    const first = await begin();
    await vi.waitFor(() => expect(first.status().handled).toBe(2), soon);
    await first.runtime.close();
    set([2, 3]);
    const second = await begin();
    await vi.waitFor(() => expect(second.app.texts).toEqual(["3"]), soon);
    await second.runtime.close();
    const third = await begin({ idPath: "$" });
    await vi.waitFor(() => expect(third.app.texts).toEqual(["2", "3"]), soon);
    expect(JSON.stringify(third.lines)).toContain("checkpoint of another source");
  });
});

describe("sse", () => {
  async function place() {
    const server = await EventServer.start();
    const store = new MemoryStore();
    const begin = async (more: Record<string, string> = {}) => {
      const properties = { url: server.url, reconnectDelay: "100ms", ...more };
      const started = await read({ binding: sse }, { properties, store });
      await vi.waitFor(() => expect(server.connections).toBe(1), soon);
      return started;
    };
    return { server, begin };
  }

  test("sse: Without a position", async () => {
    const { server, begin } = await place();
    server.send("1");
    server.send("2");
    const { app } = await begin({ lastEventId: "1" });
    await vi.waitFor(() => expect(app.texts).toEqual(["2"]), soon);
    expect(server.requests[0]?.["last-event-id"]).toBe("1");
  });

  test("sse: After a gap", async () => {
    const { server, begin } = await place();
    const first = await begin();
    server.send("1");
    await vi.waitFor(() => expect(first.status().handled).toBe(1), soon);
    await first.runtime.close();
    server.write("data: lost\n\n");
    server.send("2");
    const second = await begin();
    await vi.waitFor(() => expect(second.app.texts).toEqual(["2"]), soon);
  });

  test("sse: Grows", async () => {
    const { server, begin } = await place();
    const { app } = await begin();
    const texts = Array.from({ length: 500 }, (_, n) => String(n));
    for (const text of texts) server.send(text);
    await vi.waitFor(() => expect(app.texts.toSorted()).toEqual(texts.toSorted()), soon);
  });

  test("sse: Shrinks", async () => {
    const { server, begin } = await place();
    const first = await begin();
    server.send("1");
    await vi.waitFor(() => expect(first.status().handled).toBe(1), soon);
    await first.runtime.close();
    server.forget();
    server.send("3", { id: "3" });
    const second = await begin();
    // It knows the id no more, and sends what it has.
    await vi.waitFor(() => expect(second.app.texts).toEqual(["3"]), soon);
  });

  test("sse: Made anew", async () => {
    const { server, begin } = await place();
    const first = await begin();
    server.send("1");
    await vi.waitFor(() => expect(first.status().handled).toBe(1), soon);
    await first.runtime.close();
    const second = await begin({ url: `${server.url}?new` });
    await vi.waitFor(() => expect(second.app.texts).toEqual(["1"]), soon);
    expect(server.requests.at(-1)?.["last-event-id"]).toBeUndefined();
  });
});

describe("websocket", () => {
  async function place() {
    const server = await RawServer.start();
    const properties = { url: server.url, "openingMessage:1": "hello" };
    const begin = async () => {
      const before = server.texts.length;
      const started = await read({ binding: websocket }, { properties });
      await vi.waitFor(() => expect(server.texts.length).toBeGreaterThan(before), soon);
      return started;
    };
    return { server, begin };
  }

  test("websocket: Without a position", async () => {
    const { server, begin } = await place();
    server.send("before");
    const { app } = await begin();
    server.send("1");
    await vi.waitFor(() => expect(app.texts).toEqual(["1"]), soon);
  });

  test("websocket: After a gap", async () => {
    const { server, begin } = await place();
    const first = await begin();
    server.send("1");
    await vi.waitFor(() => expect(first.status().handled).toBe(1), soon);
    await first.runtime.close();
    server.send("lost");
    const second = await begin();
    server.send("2");
    await vi.waitFor(() => expect(second.app.texts).toEqual(["2"]), soon);
  });

  test("websocket: Grows", async () => {
    const { server, begin } = await place();
    const { app } = await begin();
    const texts = Array.from({ length: 500 }, (_, n) => String(n));
    for (const text of texts) server.send(text);
    await vi.waitFor(() => expect(app.texts.toSorted()).toEqual(texts.toSorted()), soon);
  });

  test("websocket: Shrinks", async () => {
    const { server, begin } = await place();
    const { app, status } = await begin();
    await vi.waitFor(() => expect(status().state).toBe("running"), soon);
    server.send("1");
    await vi.waitFor(() => expect(app.texts).toEqual(["1"]), soon);
    expect(status().state).toBe("running");
  });

  test("websocket: Made anew", async () => {
    const { server, begin } = await place();
    const { app } = await begin();
    server.send("1");
    await vi.waitFor(() => expect(app.texts).toEqual(["1"]), soon);
    await server.stop();
    await server.listen();
    await vi.waitFor(() => expect(server.texts).toEqual(["hello", "hello"]), soon);
    server.send("2");
    await vi.waitFor(() => expect(app.texts).toEqual(["1", "2"]), soon);
  });
});
