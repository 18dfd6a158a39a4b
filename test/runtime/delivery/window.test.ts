import { expect, test } from "vitest";
import { Window, windowLimits, type WindowEntry } from "../../../src/runtime/delivery/window.ts";
import { settled } from "../source-event.ts";

function enter(window: Window, bytes: number, label: string): WindowEntry {
  const place = { bytes, label, since: Date.now(), settled: false, position: 0 };
  window.enter(place);
  return place;
}

test("is full by number, counted from the oldest unsettled event on", async () => {
  const window = new Window();
  const [first, ...rest] = Array.from({ length: windowLimits.events }, (_, n) =>
    enter(window, 0, String(n)),
  );
  expect([window.full, window.oldest?.label]).toEqual([true, "0"]);
  let room = false;
  void window.room().then(() => (room = true));
  for (const place of rest) window.leave(place);
  await settled();
  expect([window.full, room]).toEqual([true, false]);
  if (first !== undefined) window.leave(first);
  await settled();
  expect([window.full, room, window.oldest]).toEqual([false, true, undefined]);
});

test("is full by bytes of what is unsettled", () => {
  const window = new Window();
  const small = enter(window, 1, "small");
  const large = enter(window, windowLimits.bytes - 1, "large");
  expect(window.full).toBe(true);
  window.leave(large);
  expect([window.full, window.oldest?.label]).toEqual([false, "small"]);
  window.leave(small);
  expect(window.oldest).toBeUndefined();
});

test("goes on over many more events than it holds", () => {
  const window = new Window();
  for (let n = 0; n < 20_000; n++) {
    window.leave(enter(window, 1000, String(n)));
    expect(window.full).toBe(false);
  }
});

test("room is there at once while it is not full", async () => {
  expect(await new Window().room()).toBeUndefined();
});
