// As positions.test.ts, for sources whose positions the runtime keeps.
import { describe, expect, test, vi } from "vitest";
import http from "../../src/bindings/http/index.ts";
import { MemoryStore } from "../store/memory-store.ts";
import { endAfterTest, read } from "./contract.ts";
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
