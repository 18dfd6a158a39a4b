import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Entry } from "../../../src/runtime/delivery/entry.ts";
import { Window } from "../../../src/runtime/delivery/window.ts";
import { History } from "../../../src/runtime/records/history.ts";
import type { End } from "../../../src/runtime/records/history-ring.ts";
import type { HistoryRecord } from "../../../src/store/records.ts";
import { MemoryStore } from "../../store/memory-store.ts";
import { keepingLogger, sourceEvent } from "../source-event.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const handled: End = { how: "handled", reason: "" };
const deadLetter: End = { how: "dead letter", reason: "no", deadLetter: "d1" };

function record(history: History, id: string, now: number, end = handled, component = "orders") {
  history.record(component, new Entry(sourceEvent(id), new Window(""), undefined), end, now);
}

/** The ids of all pages of so many. */
async function pages(
  history: History,
  limit: number,
  asked: { component?: string; ends?: HistoryRecord["end"][] } = {},
): Promise<string[][]> {
  const all: string[][] = [];
  let token: string | undefined;
  do {
    const { records, next } = await history.list({
      ...{ component: asked.component, ends: asked.ends ?? [], limit, token },
    });
    all.push(records.map(({ eventId }) => eventId));
    token = next;
  } while (token !== undefined && all.length < 50);
  return all;
}

test("the newest come first, page by page, and events that end meanwhile change no later page", async () => {
  const history = new History(undefined, keepingLogger());
  for (let number = 0; number < 7; number++) record(history, `e${number}`, number);
  expect(await pages(history, 3)).toEqual([["e6", "e5", "e4"], ["e3", "e2", "e1"], ["e0"]]);
  const { next } = await history.list({
    component: undefined,
    ends: [],
    limit: 3,
    token: undefined,
  });
  record(history, "late", 8);
  const second = await history.list({ component: undefined, ends: [], limit: 9, token: next });
  expect(second.records.map(({ eventId }) => eventId)).toEqual(["e3", "e2", "e1", "e0"]);
  expect(await pages(new History(undefined, keepingLogger()), 3)).toEqual([[]]);
});

test("by component, and by how they ended", async () => {
  const history = new History(undefined, keepingLogger());
  for (let number = 0; number < 6; number++)
    record(
      history,
      `e${number}`,
      number,
      number % 2 ? deadLetter : handled,
      number < 3 ? "a" : "b",
    );
  expect(await pages(history, 2, { ends: ["dead letter"] })).toEqual([["e5", "e3"], ["e1"]]);
  expect(await pages(history, 9, { component: "a" })).toEqual([["e2", "e1", "e0"]]);
  expect(await pages(history, 9, { component: "a", ends: ["dropped", "handled"] })).toEqual([
    ["e2", "e0"],
  ]);
});

test("behind those in memory come those that an earlier process has stored, each once", async () => {
  const store = new MemoryStore();
  const earlier = new History(store.history, keepingLogger());
  for (let number = 0; number < 5; number++) record(earlier, `old${number}`, number, deadLetter);
  await earlier.flush();
  const history = new History(store.history, keepingLogger());
  for (let number = 0; number < 3; number++)
    record(history, `new${number}`, 100 + number, deadLetter);
  const all = ["new2", "new1", "new0", "old4", "old3", "old2", "old1", "old0"];
  expect(await pages(history, 100)).toEqual([all]);
  expect((await pages(history, 3)).flat()).toEqual(all);
  expect((await pages(history, 1)).flat()).toEqual(all);
  // Those that only the store still has.
  for (let number = 0; number < 10_000; number++) record(history, "many", 200 + number);
  expect((await pages(history, 1_000)).flat().slice(10_000)).toEqual(all);
});

test("a dead letter leads to what it was made of, in memory and in the store", async () => {
  const store = new MemoryStore();
  const earlier = new History(store.history, keepingLogger());
  record(earlier, "old", 1, { ...deadLetter, deadLetter: "d0" });
  await earlier.flush();
  const history = new History(store.history, keepingLogger());
  record(history, "new", 2, deadLetter);
  expect(await history.ofDeadLetter("d1")).toMatchObject([{ eventId: "new", deadLetter: "d1" }]);
  expect(await history.ofDeadLetter("d0")).toMatchObject([{ eventId: "old" }]);
  expect(await history.ofDeadLetter("d2")).toEqual([]);
});

test("a token of something else is refused", async () => {
  const history = new History(undefined, keepingLogger());
  for (const token of ["x", "m", "m1x", "s1", "s1.", `m${"9".repeat(30)}`])
    await expect(
      history.list({ component: undefined, ends: [], limit: 1, token }),
    ).rejects.toMatchObject({ reason: "invalid_argument" });
});
