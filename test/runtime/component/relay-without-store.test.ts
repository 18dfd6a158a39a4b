import { expect, test, vi } from "vitest";
import { createRuntime } from "../../../src/runtime/runtime.ts";
import { TestSource } from "../../relay/test-source.ts";
import { endAfterTest } from "../../bindings/contract.ts";
import { FakeApp } from "../fake-app.ts";
import { component } from "../fake-binding.ts";
import { keepingLogger } from "../source-event.ts";

test("an input that is relayed, and has nothing to be relayed through, has failed", async () => {
  const source = new TestSource();
  const runtime = createRuntime({
    ...{ appId: "shop", bindings: [source.binding()], logger: keepingLogger(), app: new FakeApp() },
    http: { listen: () => Promise.reject(new Error("nothing is served")) },
  });
  endAfterTest(() => runtime.close());
  void runtime.apply([component("source", { relay: "true", direction: "input" })]);
  await vi.waitFor(() => expect(runtime.components()[0]?.state).toBe("failed"));
  expect(runtime.components()[0]?.reason).toContain("--store nats://");
  expect(source.readings).toBe(0);
});
