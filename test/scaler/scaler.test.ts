import { expect, test } from "vitest";
import type { AnyBinding } from "../../src/binding.ts";
import { MemoryBudget } from "../../src/memory/budget.ts";
import { ComponentTypes } from "../../src/runtime/component-types.ts";
import { Scaler, type ScalerOptions } from "../../src/scaler/scaler.ts";
import { readTrigger } from "../../src/scaler/trigger.ts";
import { component, FakeSystem } from "../runtime/fake-binding.ts";
import { keepingLogger } from "../runtime/source-event.ts";

const nothingWrong = { problems: [], refused: false };

/** A scaler of a made-up system, with what it is asked. */
function place(options: Partial<ScalerOptions> = {}) {
  const system = new FakeSystem();
  const asked: AbortSignal[] = [];
  const source = {
    asked,
    answer: async (): Promise<number> => 3,
  };
  const binding: AnyBinding = {
    ...system.binding("fake"),
    totalBacklog(_connection, { signal }) {
      asked.push(signal);
      return source.answer();
    },
  };
  const silent = new FakeSystem().binding("silent");
  const scaler = new Scaler({
    ...{ appId: "shop", driversFolder: undefined, allowExec: false, logger: keepingLogger() },
    ...{ timeout: 20_000, maxAge: 60_000, namespace: undefined },
    memory: new MemoryBudget(),
    types: new ComponentTypes([binding, silent], []),
    http: { listen: () => Promise.reject(new Error("nothing is served")) },
    typesWithBacklog: ["bindings.fake"],
    ...options,
  });
  return { system, source, scaler };
}

test("a source is opened to be looked at, asked once for all who ask at one time, and its answer counts for a while", async () => {
  const { system, source, scaler } = place();
  scaler.apply([component("fake")], nothingWrong);
  expect(system.openings).toHaveLength(0);
  const answers = await Promise.all([1, 2, 3].map(() => scaler.backlog("orders")));
  expect(answers).toEqual([3, 3, 3]);
  expect(await scaler.backlog("orders")).toBe(3);
  expect(source.asked).toHaveLength(1);
  expect(system.openings.map(({ examines }) => examines)).toEqual([true]);
  expect(system.readings).toEqual([]);
  await scaler.close();
  expect(system.log).toEqual(["open 1", "dispose 1"]);
});

test("an answer that is too old is asked anew on the same connection, and after a failure on another one", async () => {
  const { system, source, scaler } = place({ maxAge: 0 });
  scaler.apply([component("fake")], nothingWrong);
  await scaler.backlog("orders");
  await scaler.backlog("orders");
  expect(source.asked).toHaveLength(2);
  source.answer = () => Promise.reject(new Error("the broker is away"));
  await expect(scaler.backlog("orders")).rejects.toMatchObject({
    reason: "unavailable",
    message: "component orders: the broker is away",
  });
  source.answer = async () => 9;
  expect(await scaler.backlog("orders")).toBe(9);
  expect(system.log).toEqual(["open 1", "dispose 1", "open 2"]);
});

test("a failure counts as long as an answer: a broker that is away is not asked by everybody", async () => {
  const { source, scaler } = place();
  source.answer = () => Promise.reject(new Error("away"));
  scaler.apply([component("fake")], nothingWrong);
  await expect(scaler.backlog("orders")).rejects.toThrow("away");
  await expect(scaler.backlog("orders")).rejects.toThrow("away");
  expect(source.asked).toHaveLength(1);
});

test("a source that does not answer is given up in time, whether it opens or tells", async () => {
  const { system, source, scaler } = place({ timeout: 50, maxAge: 0 });
  scaler.apply([component("fake")], nothingWrong);
  source.answer = () => new Promise(() => undefined);
  await expect(scaler.backlog("orders")).rejects.toMatchObject({ reason: "deadline_exceeded" });
  expect(source.asked[0]?.aborted).toBe(true);
  system.open = () => new Promise(() => undefined);
  await expect(scaler.backlog("orders")).rejects.toMatchObject({ reason: "unavailable" });
});

test("what a person has to correct is told as that, whatever the system's state", async () => {
  const { system, scaler } = place();
  const check = (name: string) => scaler.check(readTrigger({ component: name }), "shops");
  await expect(check("orders")).rejects.toMatchObject({ reason: "unavailable" });
  const silent = component("silent", {}, { name: "silent" });
  const odd = component("odd", {}, { name: "odd" });
  scaler.apply([component("fake"), silent, odd], nothingWrong);
  await expect(check("order")).rejects.toMatchObject({
    reason: "not_found",
    message: 'no component is called "order"; did you mean "orders"?',
  });
  await expect(check("silent")).rejects.toMatchObject({
    reason: "failed_precondition",
    message:
      "component silent has the type bindings.silent, of which nobody knows how many events wait; these tell it: bindings.fake",
  });
  await expect(check("odd")).rejects.toMatchObject({ reason: "failed_precondition" });
  await expect(check("orders")).resolves.toBeUndefined();
  expect(system.openings).toHaveLength(0);
  scaler.apply([component("fake", { direction: "output" })], nothingWrong);
  await expect(scaler.backlog("orders")).rejects.toMatchObject({
    reason: "failed_precondition",
    message: expect.stringContaining("output only"),
  });
});

test("a trigger is for the namespace that the scaler reads", async () => {
  const { scaler } = place({ namespace: "shops" });
  scaler.apply([component("fake")], nothingWrong);
  const check = (metadata: object, namespace: string) =>
    scaler.check(readTrigger({ component: "orders", ...metadata }), namespace);
  await expect(check({}, "shops")).resolves.toBeUndefined();
  await expect(check({}, "others")).rejects.toMatchObject({ reason: "not_found" });
  await expect(check({ namespace: "shops" }, "others")).resolves.toBeUndefined();
  await expect(check({ namespace: "others" }, "shops")).rejects.toThrow("namespace shops");
});

test("one component that has work outweighs others of which nobody knows", async () => {
  const { system, scaler } = place({ maxAge: 0 });
  const away = component("fake", { host: "away" }, { name: "away" });
  scaler.apply([component("fake"), away], nothingWrong);
  system.open = ({ metadata }) => {
    if (metadata.host === "away") throw new Error("away");
  };
  const both = (activationBacklog: string) =>
    scaler.isActive(readTrigger({ component: "orders,away", activationBacklog }));
  expect(await both("2")).toBe(true);
  await expect(both("3")).rejects.toThrow("away");
});

test("components that change are opened anew, those that stay keep their connection, those that go are closed", async () => {
  const { system, scaler } = place({ maxAge: 0 });
  const kept = component("fake", {}, { name: "kept", fingerprint: "1" });
  const changing = (fingerprint: string) => component("fake", {}, { name: "new", fingerprint });
  const gone = component("fake", {}, { name: "gone", fingerprint: "1" });
  scaler.apply([kept, changing("1"), gone], nothingWrong);
  for (const name of ["kept", "new", "gone"]) await scaler.backlog(name);
  scaler.apply([{ ...kept }, changing("2")], nothingWrong);
  await expect.poll(() => system.log).toContain("dispose 3");
  for (const name of ["kept", "new"]) await scaler.backlog(name);
  expect(system.log).toEqual(["open 1", "open 2", "open 3", "dispose 2", "dispose 3", "open 4"]);
});
