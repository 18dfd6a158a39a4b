import { expect, test, vi } from "vitest";
import { ComponentCheckpoints } from "../../../src/runtime/component/component-checkpoints.ts";
import { MemoryStore } from "../../store/memory-store.ts";
import { keepingLogger, settled } from "../source-event.ts";

async function opened(store = new MemoryStore(), fingerprint = "https://feed.example/a") {
  const logger = keepingLogger();
  const checkpoints = new ComponentCheckpoints(store.checkpoints, "feed", logger);
  return { store, logger, checkpoint: await checkpoints.open("", fingerprint) };
}

test("a position is kept once all before it are handled, in whatever order that happens", async () => {
  const { store, checkpoint } = await opened();
  expect(checkpoint.position).toBeUndefined();
  const [one, two, three] = ["1", "2", "3"].map((text) => checkpoint.advance(text));
  three?.();
  two?.();
  await checkpoint.flush();
  expect(store.log).toEqual([]);
  one?.();
  await checkpoint.flush();
  expect(store.log).toEqual(["checkpoint 3"]);
  expect((await opened(store)).checkpoint.position).toBe("3");
});

test("positions that come while one is written are written together, the newest", async () => {
  const { store, checkpoint } = await opened();
  const gate = Promise.withResolvers<void>();
  store.gate = gate.promise;
  for (let number = 0; number < 5_000; number++) checkpoint.advance(String(number))();
  gate.resolve();
  await checkpoint.flush();
  expect(store.log).toEqual(["checkpoint 0", "checkpoint 4999"]);
});

test("the checkpoint of another source is not used, and that is said", async () => {
  const { store, checkpoint } = await opened();
  checkpoint.advance("7")();
  await checkpoint.flush();
  const other = await opened(store, "https://feed.example/b");
  expect(other.checkpoint.position).toBeUndefined();
  expect(other.logger.lines).toMatchObject([{ level: "warn" }]);
  // Until something of the new source was handled, the old one may come back.
  expect((await opened(store)).checkpoint.position).toBe("7");
  other.checkpoint.advance("1")();
  await other.checkpoint.flush();
  expect((await opened(store)).checkpoint.position).toBeUndefined();
});

test("what the store cannot write is told once, tried again, and fails the flush", async () => {
  vi.useFakeTimers();
  try {
    const { store, logger, checkpoint } = await opened();
    store.trouble = "the disk is full";
    checkpoint.advance("1")();
    checkpoint.advance("2")();
    await settled();
    await expect(checkpoint.flush()).rejects.toThrow("the disk is full");
    expect(logger.lines).toMatchObject([{ level: "warn", fields: { reason: "the disk is full" } }]);
    store.trouble = undefined;
    await vi.advanceTimersByTimeAsync(1_000);
    await checkpoint.flush();
    expect((await opened(store)).checkpoint.position).toBe("2");
    expect(logger.lines).toHaveLength(1);
  } finally {
    vi.useRealTimers();
  }
});

test("without a store it begins anew, and nothing fails", async () => {
  const checkpoints = new ComponentCheckpoints(undefined, "feed", keepingLogger());
  const checkpoint = await checkpoints.open("", "a");
  checkpoint.advance("1")();
  await checkpoint.flush();
  expect((await checkpoints.open("", "a")).position).toBeUndefined();
});
