import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { SampledLogger } from "../../src/runtime/sampled-logger.ts";
import { FakeApp, refused } from "./fake-app.ts";
import { component, FakeSystem, startRuntime } from "./fake-binding.ts";
import { keepingLogger, settled, sourceEvent } from "./source-event.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function sampling() {
  const kept = keepingLogger();
  const told = () => kept.lines.splice(0);
  return { logger: new SampledLogger(kept), told };
}

test("of a kind the first lines are written, of the others the last, with their number, after windows that grow", () => {
  const { logger, told } = sampling();
  const fail = (event: number): void =>
    logger.warn({ event: `e${event}`, reason: `HTTP 500: request ${event}` }, "not handled");
  for (let event = 1; event <= 100; event++) fail(event);
  expect(told().map(({ fields }) => fields)).toMatchObject(
    ["e1", "e2", "e3", "e4", "e5"].map((event) => ({ event })),
  );
  vi.advanceTimersByTime(10_000);
  const last = { event: "e100", reason: "HTTP 500: request 100", repeated: 95, within: "10s" };
  expect(told()).toEqual([{ level: "warn", fields: last, message: "not handled" }]);
  // An hour of ten a second: after 20, 40, 80, 160, 320 seconds, and then each ten minutes.
  for (let second = 0; second < 3600; second++) {
    for (let time = 0; time < 10; time++) fail(second);
    vi.advanceTimersByTime(1000);
  }
  const hour = told();
  expect(hour).toHaveLength(9);
  expect(hour[0]?.fields).toMatchObject({ repeated: 200, within: "20s" });
  expect(hour.at(-1)?.fields).toMatchObject({ repeated: 6000, within: "10m" });
});

test("a kind that was quiet for a window begins anew", () => {
  const { logger, told } = sampling();
  for (let time = 0; time < 6; time++) logger.error({}, "failed");
  expect(told()).toHaveLength(5);
  vi.advanceTimersByTime(30_000);
  expect(told()).toEqual([
    { level: "error", fields: { repeated: 1, within: "10s" }, message: "failed" },
  ]);
  for (let time = 0; time < 5; time++) logger.error({}, "failed");
  expect(told()).toHaveLength(5);
});

test("lines of another level, message or reason are another kind; what is seldom is written whole", () => {
  const { logger, told } = sampling();
  for (let time = 0; time < 20; time++) {
    logger.info({ reason: "one" }, "told");
    logger.warn({ reason: "one" }, "told");
    logger.warn({ reason: "another" }, "told");
    logger.warn({ reason: "another" }, "told otherwise");
    logger.debug({ reason: "one" }, "told");
  }
  expect(told()).toHaveLength(4 * 5 + 20);
  vi.advanceTimersByTime(60_000);
  told();
  for (let time = 0; time < 20; time++) {
    logger.warn({ reason: "one" }, "told");
    vi.advanceTimersByTime(2_500);
  }
  expect(told()).toHaveLength(20);
});

test("reasons without end are no kinds without end", () => {
  const { logger, told } = sampling();
  const letters = (number: number): string =>
    String(number).replaceAll(/\d/g, (digit) => "ghijklmnop".charAt(Number(digit)));
  for (let time = 0; time < 10_000; time++) logger.warn({ reason: letters(time) }, "failed");
  expect(told()).toHaveLength(100 + 5);
  vi.advanceTimersByTime(10_000);
  expect(told().map(({ fields }) => fields)).toMatchObject([{ repeated: 9_895 }]);
});

test("at the end it tells what it has not told, and leaves no timer", () => {
  const { logger, told } = sampling();
  for (let time = 0; time < 8; time++) logger.warn({}, "failed");
  vi.advanceTimersByTime(4_000);
  told();
  logger.flush();
  expect(told()).toMatchObject([{ fields: { repeated: 3, within: "4s" } }]);
  expect(vi.getTimerCount()).toBe(0);
});

test("an app that refuses hundreds of events a second costs a handful of lines, which count them", async () => {
  const system = new FakeSystem();
  const app = new FakeApp(() => refused("HTTP 500"));
  const { runtime, lines } = startRuntime({ bindings: [system.binding("fake", "input")], app });
  await runtime.apply([component("fake", { maxInFlight: "500" })]);
  await settled();
  for (let second = 0; second < 40; second++) {
    const events = Array.from({ length: 200 }, (_, index) => sourceEvent(`${second}-${index}`));
    void system.reading.deliver(events);
    await vi.advanceTimersByTimeAsync(1000);
  }
  const told = lines.filter(({ message }) => message.startsWith("event not handled"));
  expect(app.deliveries.length).toBeGreaterThan(8000);
  expect(told.length).toBeLessThan(20);
  await runtime.close();
  const counted = lines
    .filter(({ message }) => message.startsWith("event not handled"))
    .map(({ fields }) => ("repeated" in fields ? Number(fields.repeated) : 1));
  expect(counted.reduce((sum, count) => sum + count, 0)).toBe(app.deliveries.length);
});
