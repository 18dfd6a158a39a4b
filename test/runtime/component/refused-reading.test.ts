import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { BindingError, type Reason } from "../../../src/errors.ts";
import { FakeApp } from "../fake-app.ts";
import { component, FakeSystem, startRuntime } from "../fake-binding.ts";
import { settled, sourceEvent } from "../source-event.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const denied = (reason: Reason = "permission_denied") =>
  new BindingError(reason, "no List for you");

function start(directions: "both" | "input" = "both") {
  const system = new FakeSystem();
  const started = startRuntime({
    bindings: [system.binding("fake", directions)],
    app: new FakeApp(),
  });
  return { system, ...started };
}

test.each<Reason>(["permission_denied", "not_found", "failed_precondition"])(
  "an input that is refused as it begins (%s) leaves the connection to the outputs, and reads once it may",
  async (reason) => {
    const { system, runtime, status, invoke, lines } = start();
    system.invoke = async () => "done";
    system.read = () => {
      throw denied(reason);
    };
    await runtime.apply([component("fake")]);
    await settled();
    expect(status()).toMatchObject({ state: "stalled", reason: "no List for you", rebuilds: 0 });
    await expect(invoke("orders")).resolves.toBe("done");
    await vi.advanceTimersByTimeAsync(60_000);
    const tries = system.readings.length;
    expect(tries).toBeGreaterThan(8);
    expect(tries).toBeLessThan(16);
    expect(lines.filter(({ level }) => level === "warn")).toHaveLength(1);
    await expect(invoke("orders")).resolves.toBe("done");
    system.read = () => undefined;
    await vi.advanceTimersByTimeAsync(20_000);
    expect(status()).toMatchObject({ state: "running", reason: "" });
    expect(system.log.filter((line) => !line.startsWith("read"))).toEqual(["open 1"]);
  },
);

test("one that is refused while it reads ends in order, and is stalled until events come or it has lasted", async () => {
  const { system, runtime, status } = start();
  await runtime.apply([component("fake")]);
  await settled();
  const [first] = system.readings;
  first?.lost(denied());
  await settled();
  expect(status()).toMatchObject({ state: "stalled", reason: "no List for you" });
  await vi.advanceTimersByTimeAsync(200);
  expect(system.log).toEqual(["open 1", "read 1", "stop 1", "flush 1", "close 1", "read 2"]);
  // It may be refused again at any moment.
  expect(status().state).toBe("stalled");
  // One that has ended must not end the next one.
  first?.lost(denied());
  await vi.advanceTimersByTimeAsync(200);
  expect(system.readings).toHaveLength(2);
  await system.reading.deliver([sourceEvent("1")]);
  await settled();
  expect(status()).toMatchObject({ state: "running", handled: 1 });
});

test("a pause, a lost connection and the end are heeded while it waits", async () => {
  const { system, runtime, status } = start();
  system.read = () => {
    throw denied();
  };
  await runtime.apply([component("fake")]);
  await settled();
  await runtime.pause("orders", "");
  expect(status().state).toBe("paused");
  const tries = system.readings.length;
  await vi.advanceTimersByTimeAsync(30_000);
  expect(system.readings).toHaveLength(tries);
  await runtime.resume("orders");
  await settled();
  expect(system.readings).toHaveLength(tries + 1);
  expect(status().state).toBe("stalled");
  system.opening.lost(new Error("reset"));
  await settled();
  expect(status()).toMatchObject({ state: "reconnecting", reason: "reset" });
  await vi.advanceTimersByTimeAsync(200);
  expect([status().state, system.openings.length]).toEqual(["stalled", 2]);
  const closed = runtime.close();
  await vi.advanceTimersByTimeAsync(1000);
  await closed;
  const atEnd = system.readings.length;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(system.readings).toHaveLength(atEnd);
});

test.each<[string, Error]>([
  ["a login that is not accepted any more", denied("unauthenticated")],
  ["a connection that is gone", new BindingError("unavailable", "gone")],
])("%s is made anew", async (_what, why) => {
  const { system, runtime, status } = start();
  await runtime.apply([component("fake")]);
  await settled();
  system.reading.lost(why);
  await settled();
  expect(status().state).toBe("reconnecting");
  await vi.advanceTimersByTimeAsync(200);
  expect(system.openings).toHaveLength(2);
});

test("without outputs the connection has no other use, and is made anew", async () => {
  const { system, runtime, status } = start("input");
  await runtime.apply([component("fake")]);
  await settled();
  system.reading.lost(denied());
  await settled();
  expect(status()).toMatchObject({ state: "reconnecting", reason: "no List for you" });
});
