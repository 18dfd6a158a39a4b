import { expect, test, vi } from "vitest";
import { secretPatterns } from "../../src/secret-patterns.ts";
import { FakeApp, handled } from "./fake-app.ts";
import { component, FakeSystem, startRuntime } from "./fake-binding.ts";
import { sourceEvent } from "./source-event.ts";

vi.mock("../../src/secret-patterns.ts", { spy: true });

test("nothing is searched for secrets while all goes well", async () => {
  const system = new FakeSystem();
  const app = new FakeApp(() => handled);
  const { runtime, invoke } = startRuntime({ bindings: [system.binding("fake")], app });
  await runtime.apply([component("fake", {}, { secrets: ["hunter2"] })]);
  await vi.waitFor(() => expect(system.readings).toHaveLength(1));
  const event = sourceEvent("1");
  await system.reading.deliver([event]);
  await invoke("orders", "create", "data");
  await vi.waitFor(() => expect(event.settlements).toEqual([{ outcome: "handled" }]));
  expect(secretPatterns).not.toHaveBeenCalled();

  system.invoke = async () => Promise.reject(new Error("no hunter2"));
  await expect(invoke("orders", "create", "data")).rejects.toThrow("no ***");
  expect(secretPatterns).toHaveBeenCalledTimes(1);
});
