import { beforeEach, expect, test, vi } from "vitest";
import { MemoryBudget } from "../../../src/memory/budget.ts";
import { FakeApp, handled, refused } from "../fake-app.ts";
import { delivering } from "../delivering.ts";
import { settled, sourceEvent } from "../source-event.ts";

beforeEach(() => {
  vi.useFakeTimers();
});

const mebibyte = 1024 * 1024;

function event(id: string, bytes: number) {
  return { ...sourceEvent(id), data: Buffer.alloc(bytes) };
}

test("events count in the component's memory from their coming until they are settled", async () => {
  const memory = new MemoryBudget().share("test");
  let answer = refused();
  const app = new FakeApp(() => answer);
  const { delivery } = delivering(app, { memory });
  await delivery.deliver([event("1", 1000), event("2", 500)]);
  expect(memory.used).toBe(1500);
  await settled();
  expect(memory.used).toBe(1500);
  answer = handled;
  await vi.advanceTimersByTimeAsync(200);
  expect(memory.used).toBe(0);
});

test("while the budget is full a source waits, unless its component holds little", async () => {
  const budget = new MemoryBudget(4 * mebibyte);
  const others = budget.share("others", 4 * mebibyte);
  others.add(4 * mebibyte);
  const memory = budget.share("test");
  let answer = refused();
  const app = new FakeApp(() => answer);
  const { delivery } = delivering(app, { memory });
  await delivery.deliver([event("small", 1000)]);
  let room = false;
  const delivered = delivery.deliver([event("large", 2 * mebibyte)]).then(() => (room = true));
  await settled();
  expect(room).toBe(false);
  // What the component holds itself goes on to be settled, and lets its source go on.
  answer = handled;
  await vi.advanceTimersByTimeAsync(200);
  await delivered;
  expect(memory.used).toBe(0);
  others.release(4 * mebibyte);
});

const outputDown = () => ({
  concurrency: undefined,
  steps: [
    {
      target: "output",
      run: async () => {
        if (down) throw new Error("down");
      },
    },
  ],
});
let down = true;

test("a reply that is kept for its outputs counts; one for which there is no room is a failed attempt", async () => {
  down = true;
  const budget = new MemoryBudget(4 * mebibyte);
  const memory = budget.share("test", 2 * mebibyte);
  const data = Buffer.alloc(1_200_000);
  const app = new FakeApp(() => ({ kind: "handled", reply: { source: "grpc", data } }));
  const { delivery, history } = delivering(app, { memory, fanOut: outputDown });
  const [first, second] = [event("1", 10), event("2", 10)];
  await delivery.deliver([first, second]);
  await settled();
  expect(memory.used).toBe(1_200_020);
  expect(delivery.unfinished.find("2")[0]?.attempts.at(-1)?.answer).toContain(
    "no room to keep the app's reply for its outputs (--memory-budget)",
  );
  down = false;
  await vi.advanceTimersByTimeAsync(1000);
  expect(memory.used).toBe(0);
  expect([first.settlements, second.settlements]).toMatchObject([
    [{ outcome: "handled" }],
    [{ outcome: "handled" }],
  ]);
  await history.close();
});
