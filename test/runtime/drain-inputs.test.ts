import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FakeApp, ManualApp } from "./fake-app.ts";
import { component, FakeSystem, startRuntime } from "./fake-binding.ts";
import { settled, sourceEvent } from "./source-event.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

async function running(app: FakeApp) {
  const systems = { in: new FakeSystem(), both: new FakeSystem(), out: new FakeSystem() };
  const bindings = [
    systems.in.binding("in", "input"),
    systems.both.binding("both"),
    systems.out.binding("out", "output"),
  ];
  const specs = ["in", "both", "out"].map((name) => component(name, {}, { name }));
  const started = startRuntime({ bindings, app });
  await started.runtime.apply(specs);
  await settled();
  return { ...started, ...systems, specs };
}

test("all inputs end, outputs go on, and what the app did not finish is counted", async () => {
  const app = new ManualApp();
  const { runtime, status, invoke, in: source, both } = await running(app);
  const events = [sourceEvent("1"), sourceEvent("2")];
  await source.reading.deliver([events[0] ?? sourceEvent("")]);
  await both.reading.deliver([events[1] ?? sourceEvent("")]);
  const drained = runtime.drainInputs(2000);
  await settled();
  app.answer("1");
  await vi.advanceTimersByTimeAsync(2000);
  expect(await drained).toEqual({ abandoned: 1 });
  expect(events.map(({ settlements }) => settlements[0]?.outcome)).toEqual(["handled", "returned"]);
  for (const name of ["in", "both"])
    expect(status(name)).toMatchObject({
      ...{ state: "paused", reason: "paused by an operator: all inputs are drained" },
    });
  expect(status("out")).toMatchObject({ state: "running", reason: "", paused: undefined });
  await invoke("both");
  await invoke("out");
  expect(await runtime.drainInputs(1)).toEqual({ abandoned: 0 });
});

test("a component that comes later does not read either, until it is resumed; one that follows another is as that was", async () => {
  const { runtime, status, specs, in: source, both } = await running(new FakeApp());
  await runtime.drainInputs(0);
  await runtime.resume("both");
  await settled();
  expect([source.readings.length, both.readings.length]).toEqual([1, 2]);
  await runtime.apply([...specs, component("in", {}, { name: "late" })]);
  await runtime.restart("in");
  await runtime.restart("both");
  await settled();
  expect([source.openings.length, source.readings.length, both.readings.length]).toEqual([3, 1, 3]);
  expect(status("late").state).toBe("paused");
  await runtime.resume("late");
  await settled();
  expect([source.readings.length, status("late").state]).toEqual([2, "running"]);
});
