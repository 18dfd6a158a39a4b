import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { AppCondition } from "../../src/app/app-condition.ts";
import { AvailabilityLog } from "../../src/app/availability-log.ts";
import { keepingLogger } from "../runtime/source-event.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const ready: AppCondition = { kind: "ready", reason: "" };
const absent: AppCondition = { kind: "absent", reason: "nobody listens" };
const unhealthy: AppCondition = { kind: "unhealthy", reason: "HTTP 500" };
const wrong: AppCondition = { kind: "wrong protocol", reason: "it speaks gRPC" };

/** A log of an app that is as the test says, and all that it was told since the last look. */
function watch(first: AppCondition) {
  const logger = keepingLogger();
  let condition = first;
  const log = new AvailabilityLog({
    logger,
    about: { at: "127.0.0.1:7001" },
    advice: "; is the port right?",
    condition: () => condition,
  });
  log.changed();
  return {
    become: (next: AppCondition): void => {
      const isNews = next.kind !== condition.kind;
      condition = next;
      if (isNews) log.changed();
    },
    told: () =>
      logger.lines.splice(0).map(({ level, fields, message }) => [level, message, fields]),
    log,
  };
}

const at = { at: "127.0.0.1:7001" };

test("an app that comes late is waited for, told again after growing pauses, and told when it is there", () => {
  const { become, told } = watch({ ...absent, reason: "connecting" });
  expect(told()).toEqual([]);
  become(absent);
  vi.advanceTimersByTime(250);
  expect(told()).toEqual([["info", "waiting for the app", { ...at, reason: "nobody listens" }]]);
  vi.advanceTimersByTime(9_999);
  expect(told()).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(told()).toEqual([
    [
      "warn",
      "still waiting for the app; is the port right?",
      { ...at, reason: "nobody listens", for: "10.25s" },
    ],
  ]);
  // After 30, 70, 150, 310, 630, 1,270 and 2,550 seconds, and then each hour.
  vi.advanceTimersByTime(3_600_000);
  expect(told()).toHaveLength(7);
  vi.advanceTimersByTime(24 * 3_600_000);
  expect(told()).toHaveLength(24);
  become(ready);
  expect(told()).toEqual([["info", "the app is there", { ...at, after: "25h10.25s" }]]);
});

test("an app that is there at once is told so, and no more", () => {
  const { become, told } = watch(absent);
  vi.advanceTimersByTime(200);
  become(ready);
  vi.advanceTimersByTime(3_600_000);
  expect(told()).toEqual([["info", "the app is there", at]]);
});

test("an app that goes is told, and again while it is away, and after how long it is back", () => {
  const { become, told } = watch(ready);
  expect(told()).toHaveLength(1);
  become(absent);
  vi.advanceTimersByTime(10_250);
  const away = "the app is away; its events wait";
  expect(told()).toEqual([
    ["warn", away, { ...at, reason: "nobody listens" }],
    ["warn", away, { ...at, reason: "nobody listens", for: "10.25s" }],
  ]);
  vi.advanceTimersByTime(750);
  become(ready);
  expect(told()).toEqual([["info", "the app is back", { ...at, after: "11s" }]]);
  vi.advanceTimersByTime(3_600_000);
  expect(told()).toEqual([]);
});

test("a connection that is made anew at once is no news", () => {
  const { become, told } = watch(ready);
  told();
  for (let time = 0; time < 10; time++) {
    become(absent);
    vi.advanceTimersByTime(200);
    become(ready);
    vi.advanceTimersByTime(1000);
  }
  expect(told()).toEqual([]);
});

test("health: why it is unhealthy, and that it is healthy again", () => {
  const { become, told } = watch(unhealthy);
  vi.advanceTimersByTime(10_250);
  expect(told().map(([level, message]) => [level, message])).toEqual([
    ["info", "waiting for the app"],
    ["warn", "still waiting for the app to be healthy"],
  ]);
  become(ready);
  become(unhealthy);
  vi.advanceTimersByTime(250);
  expect(told().slice(1)).toEqual([
    ["warn", "the app is unhealthy; its events wait", { ...at, reason: "HTTP 500" }],
  ]);
  become(ready);
  expect(told()).toEqual([["info", "the app is healthy again", { ...at, after: "250ms" }]]);
});

test("an app that comes back unwell is told as that, with the whole time that it was missing", () => {
  const { become, told } = watch(ready);
  become(absent);
  vi.advanceTimersByTime(1000);
  become(unhealthy);
  vi.advanceTimersByTime(1000);
  told();
  become(ready);
  expect(told()).toEqual([["info", "the app is healthy again", { ...at, after: "2s" }]]);
});

test("the wrong protocol is an error, with the remedy", () => {
  const { become, told } = watch(absent);
  become(wrong);
  vi.advanceTimersByTime(250);
  expect(told()).toEqual([
    ["error", "the app speaks another protocol", { ...at, reason: "it speaks gRPC" }],
  ]);
});

test("closed, it tells nothing more", () => {
  const { log, told } = watch(absent);
  log.close();
  vi.advanceTimersByTime(3_600_000);
  expect(told()).toEqual([]);
});
