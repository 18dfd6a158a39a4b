import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { KeepAlive } from "../../../src/bindings/mqtt/keep-alive.ts";

const ask = vi.fn<() => void>();
const dead = vi.fn<() => void>();
let watched: KeepAlive;

beforeEach(() => {
  vi.useFakeTimers();
  vi.resetAllMocks();
  watched = new KeepAlive(1000, ask, dead);
  ask.mockImplementation(() => watched.sent());
  watched.start();
});

afterEach(() => {
  watched.stop();
  vi.useRealTimers();
});

test("asks when nothing was sent for half the time, and is content with any answer", () => {
  vi.advanceTimersByTime(499);
  expect(ask).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(ask).toHaveBeenCalledTimes(1);
  for (let n = 0; n < 20; n++) {
    watched.heard();
    vi.advanceTimersByTime(500);
  }
  expect(dead).not.toHaveBeenCalled();
  expect(ask.mock.calls.length).toBeGreaterThanOrEqual(20);
});

test("finds a connection dead that does not answer", () => {
  vi.advanceTimersByTime(1750);
  expect(dead).toHaveBeenCalled();
});

test("finds a connection dead that is only written to", () => {
  for (let n = 0; n < 30 && dead.mock.calls.length === 0; n++) {
    watched.sent();
    vi.advanceTimersByTime(100);
  }
  expect(dead).toHaveBeenCalled();
});

test("takes no silence for death while nothing is read on purpose, and still tells the broker", () => {
  watched.listening(false);
  vi.advanceTimersByTime(10_000);
  expect(dead).not.toHaveBeenCalled();
  expect(ask.mock.calls.length).toBeGreaterThanOrEqual(10);
  watched.listening(true);
  vi.advanceTimersByTime(900);
  expect(dead).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1500);
  expect(dead).toHaveBeenCalled();
});
