import { expect, test } from "vitest";
import { silentObserver } from "../../../src/runtime/observer.ts";
import { FakeApp } from "../fake-app.ts";
import { component, FakeSystem, startRuntime } from "../fake-binding.ts";
import { settled } from "../source-event.ts";

test("what a reader says of its source is the component's reason, for as long as that reader is there", async () => {
  const system = new FakeSystem();
  const { runtime, status } = startRuntime({
    bindings: [system.binding("fake")],
    app: new FakeApp(),
  });
  await runtime.apply([component("fake")]);
  await settled();
  const { reading } = system;
  reading.report?.("there is no topic typo", true);
  expect(status()).toMatchObject({ state: "stalled", reason: "there is no topic typo" });
  reading.report?.("7 records were deleted", false);
  expect(status()).toMatchObject({ state: "running", reason: "7 records were deleted" });
  reading.report?.("", false);
  expect(status()).toMatchObject({ state: "running", reason: "" });
  // One that has ended has nothing to say about the next one's source.
  reading.report?.("there is no topic typo", true);
  await runtime.pause("orders", "");
  await runtime.resume("orders");
  await settled();
  expect(system.readings).toHaveLength(2);
  expect(status()).toMatchObject({ state: "running", reason: "" });
  reading.report?.("there is no topic typo", true);
  expect(status()).toMatchObject({ state: "running", reason: "" });
});

test("a reader may say what is missing before it reads", async () => {
  const system = new FakeSystem();
  system.read = ({ report }) => report?.("there is no topic typo", true);
  const { runtime, status } = startRuntime({
    bindings: [system.binding("fake")],
    app: new FakeApp(),
  });
  await runtime.apply([component("fake")]);
  await settled();
  expect(status()).toMatchObject({ state: "stalled", reason: "there is no topic typo" });
});

test("events that never come are counted by component and by why", async () => {
  const system = new FakeSystem();
  const missed: unknown[] = [];
  const { runtime } = startRuntime({
    bindings: [system.binding("fake")],
    app: new FakeApp(),
    observer: { ...silentObserver, missed: (...all) => void missed.push(all) },
  });
  await runtime.apply([component("fake")]);
  await settled();
  system.reading.missed?.(12, "retention");
  expect(missed).toEqual([["orders", 12, "retention"]]);
});

test("whatever a binding says of its source, no secret is in it, nor a token that it named", async () => {
  const system = new FakeSystem();
  const { runtime, status, lines } = startRuntime({
    bindings: [system.binding("fake")],
    app: new FakeApp(),
  });
  await runtime.apply([component("fake", {}, { secrets: ["hunter2"] })]);
  await settled();
  const { reading, opening } = system;
  const all = "hunter2, its token-1 and aHVudGVyMg==";
  opening.hide?.("token-1");
  reading.report?.(all, false);
  expect(status().reason).toBe("***, its *** and ***");
  reading.report?.("", false);
  reading.notice(all);
  expect(status().reason).toBe("***, its *** and ***");
  reading.logger.warn({ reason: all }, "it is slow");
  opening.logger.warn({ reason: all }, "it is slow");
  reading.lost(new Error(all));
  await settled();
  expect(status()).toMatchObject({ state: "reconnecting", reason: "***, its *** and ***" });
  expect(JSON.stringify(lines)).not.toMatch(/hunter2|token-1|aHVudGVyMg/);
});
