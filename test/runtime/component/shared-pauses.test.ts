import { expect, test } from "vitest";
import type { StoredPause } from "../../../src/store/records.ts";
import type { Store } from "../../../src/store/store.ts";
import { FakeApp } from "../fake-app.ts";
import { component, FakeSystem, startRuntime } from "../fake-binding.ts";
import { MemoryStore } from "../../store/memory-store.ts";

/** A store that two runtimes share, as replicas do. */
function sharedStore(): Store {
  return Object.assign(new MemoryStore(), { shared: true });
}

async function replicas() {
  const store = sharedStore();
  const both = ["one", "other"].map(() => {
    const system = new FakeSystem();
    const bindings = [system.binding("fake")];
    return { system, ...startRuntime({ bindings, store, app: new FakeApp() }) };
  });
  for (const { runtime } of both) await runtime.apply([component("fake")]);
  const states = () => both.map(({ status }) => status().state);
  await expect.poll(states).toEqual(["running", "running"]);
  const [one, other] = both as [(typeof both)[0], (typeof both)[0]];
  return { store, one, other, states };
}

test("a pause of one replica is all replicas', with who and why, and so is its end, by whichever", async () => {
  const { one, other, states } = await replicas();
  await one.runtime.pause("orders", "the database moves", "ada");
  await expect.poll(states).toEqual(["paused", "paused"]);
  expect(other.status().paused).toEqual(one.status().paused);
  expect(other.status().paused).toMatchObject({ by: "ada", reason: "the database moves" });
  expect(other.system.log).toContain("close 1");
  await other.runtime.resume("orders");
  await expect.poll(states).toEqual(["running", "running"]);
});

test("what one process alone pauses, as a drain, stays its own", async () => {
  const { one, other, states } = await replicas();
  await one.runtime.drainComponent("orders", 100);
  expect(other.status().state).toBe("running");
  await other.runtime.pause("orders", "why");
  await other.runtime.resume("orders");
  await expect.poll(states).toEqual(["running", "running"]);
  await one.runtime.drainComponent("orders", 100);
  await other.runtime.resume("orders");
  expect(states()).toEqual(["paused", "running"]);
});

test("a component that one replica's files no longer have stays paused at the others", async () => {
  const { store, one, other, states } = await replicas();
  await one.runtime.pause("orders", "why");
  await expect.poll(states).toEqual(["paused", "paused"]);
  await one.runtime.apply([]);
  expect(await store.pauses.load("orders")).toMatchObject({
    reason: "why",
  } satisfies Partial<StoredPause>);
  expect(other.status().state).toBe("paused");
});
