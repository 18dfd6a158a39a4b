import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Mock } from "vitest";
import type { InboundEvent, Logger, Reader } from "../../../src/binding.ts";
import cron from "../../../src/bindings/cron/index.ts";
import { parseFields } from "../../../src/metadata/parse.ts";
import { MemoryBudget } from "../../../src/memory/budget.ts";
import { unkeptCheckpoints } from "../../runtime/component/checkpoints.ts";

let events: InboundEvent[];
let room: Promise<void> | undefined;
let logger: Record<keyof Logger, Mock<Logger["warn"]>>;
let reader: Reader | undefined;

async function read(properties: Record<string, string>): Promise<void> {
  const { values, problems } = parseFields(cron.metadata, properties);
  expect(problems).toEqual([]);
  const component = { name: "tick", appId: "shop" };
  const connection = await cron.open({
    component,
    metadata: values,
    directions: { input: true, output: false },
    logger,
    signal: new AbortController().signal,
    http: { listen: () => Promise.reject(new Error("cron serves nothing")) },
    memory: new MemoryBudget().share("test"),
    driver: () => undefined,
    lost: vi.fn(),
    notice: vi.fn(),
  });
  reader = await cron.read?.(connection, {
    component,
    metadata: values,
    logger,
    maxInFlight: 64,
    attempts: 10,
    notice: vi.fn(),
    memory: new MemoryBudget().share("test"),
    checkpoints: unkeptCheckpoints(),
    signal: new AbortController().signal,
    deliver: async (batch) => {
      events.push(...batch);
      await room;
    },
    lost: vi.fn(),
  });
}

beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse("2026-11-23T10:00:00.250Z") });
  events = [];
  room = undefined;
  logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() };
});
afterEach(async () => {
  await reader?.close();
  vi.useRealTimers();
});

/** When a tick is due that comes after so many seconds. */
function dueAfter(seconds: number): Date {
  return new Date(Date.parse("2026-11-23T10:00:00.250Z") + seconds * 1000);
}

test("a tick has Dapr's metadata, no data, and the component as its key", async () => {
  vi.stubEnv("TZ", "Europe/Berlin");
  await read({ schedule: "* * * * * *" });
  await vi.advanceTimersByTimeAsync(1000);
  expect(events).toMatchObject([
    {
      data: new Uint8Array(),
      metadata: { readTimeUTC: "2026-11-23 10:00:01 +0000 UTC", timeZone: "Europe/Berlin" },
      headers: [],
      id: "2026-11-23T10:00:01.000Z",
      key: "tick",
    },
  ]);
  vi.unstubAllEnvs();
});

test("the time read keeps its fraction, without trailing zeros", async () => {
  await read({ schedule: "@every 100ms" });
  await vi.advanceTimersByTimeAsync(100);
  expect(events[0]?.metadata).toMatchObject({ readTimeUTC: "2026-11-23 10:00:00.35 +0000 UTC" });
});

describe("a tick that is not handled when the next is due", () => {
  test("is the only one, and the others are dropped and counted", async () => {
    await read({ schedule: "@every 1s" });
    await vi.advanceTimersByTimeAsync(4000);
    expect(events).toHaveLength(1);
    expect(logger.warn).toHaveBeenCalledTimes(1);
    expect(logger.warn).toHaveBeenLastCalledWith(
      expect.objectContaining({ reason: "the app has not answered for the one before it" }),
      "ticks are dropped, none is handled",
    );
    events[0]?.settle({ outcome: "handled" });
    expect(logger.info.mock.calls).toEqual([
      [{ ticks: 3, first: dueAfter(2), last: dueAfter(4) }, "ticks were dropped"],
    ]);
    await vi.advanceTimersByTimeAsync(1000);
    expect(events).toHaveLength(2);
  });

  test("is told once with the reason, not each second, and counted, where the app is away", async () => {
    await read({ schedule: "@every 1s" });
    for (let second = 1; second <= 25; second++) {
      await vi.advanceTimersByTimeAsync(1000);
      const tick = events.at(-1);
      tick?.revoked?.addEventListener("abort", () =>
        tick.settle({ outcome: "returned", reason: "the app is not there: nobody listens" }),
      );
    }
    const reason = "the app is not there: nobody listens";
    expect(logger.warn.mock.calls).toEqual([
      [{ reason, ticks: 1, first: dueAfter(1), last: dueAfter(1) }, expect.anything()],
      [{ reason, ticks: 10, first: dueAfter(1), last: dueAfter(10) }, expect.anything()],
    ]);
    events.at(-1)?.settle({ outcome: "handled" });
    expect(logger.info.mock.calls).toEqual([
      [{ ticks: 24, first: dueAfter(1), last: dueAfter(24) }, "ticks were dropped"],
    ]);
  });

  test("gives way to the next where it waits for a retry", async () => {
    await read({ schedule: "@every 1s" });
    await vi.advanceTimersByTimeAsync(1000);
    const [first] = events;
    first?.revoked?.addEventListener("abort", () =>
      first.settle({ outcome: "returned", reason: "revoked" }),
    );
    await vi.advanceTimersByTimeAsync(1000);
    expect(first?.revoked?.aborted).toBe(true);
    expect(events).toHaveLength(2);
    expect(events[1]?.revoked?.aborted).toBe(false);
  });

  test("makes room for the next when it is returned", async () => {
    await read({ schedule: "@every 1s" });
    await vi.advanceTimersByTimeAsync(1000);
    events[0]?.settle({ outcome: "returned", reason: "the app refused it" });
    await vi.advanceTimersByTimeAsync(1000);
    expect(events).toHaveLength(2);
  });

  test("has others beside it with overlap: allow, in no order", async () => {
    await read({ schedule: "@every 1s", overlap: "allow" });
    await vi.advanceTimersByTimeAsync(3000);
    expect(events.map((event) => event.key)).toEqual([undefined, undefined, undefined]);
  });

  test("has none beside it while there is no room, even with overlap: allow", async () => {
    let makeRoom = (): void => {};
    room = new Promise((resolve) => (makeRoom = resolve));
    await read({ schedule: "@every 1s", overlap: "allow" });
    await vi.advanceTimersByTimeAsync(3000);
    expect(events).toHaveLength(1);
    makeRoom();
    await vi.advanceTimersByTimeAsync(1000);
    expect(events).toHaveLength(2);
  });
});

test("stop ends the ticks and leaves no timer", async () => {
  await read({ schedule: "@every 1s" });
  await reader?.stop();
  await vi.advanceTimersByTimeAsync(5000);
  expect(events).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
});

test("a schedule without a time to come says so", async () => {
  await read({ schedule: "0 0 31 2 *" });
  expect(logger.warn).toHaveBeenCalledWith(
    {},
    "the schedule has no future time: no tick will come",
  );
});

test.each([
  [{}, "is required"],
  [{ schedule: "" }, "is required"],
  [{ schedule: "* *" }, '"* *" is no schedule: expected 5 to 6 fields, found 2'],
])("refuses %j when the metadata is read", (properties, message) => {
  const { problems } = parseFields(cron.metadata, properties);
  expect(problems).toMatchObject([{ severity: "error", property: "schedule", message }]);
});
