import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test, vi } from "vitest";
import { component } from "../../runtime/fake-binding.ts";
import { eventually, FakeComponent, socketsFolder } from "../fake-component.ts";
import { hostOf } from "./hosted.ts";

const output = (values: Record<string, string> = {}) =>
  component("queue", { direction: "output", ...values });

async function started(values: Record<string, string> = {}) {
  const folder = await socketsFolder();
  const fake = await FakeComponent.start({ folder });
  const host = hostOf(folder);
  await host.runtime.apply([output(values)]);
  return { ...host, fake };
}

test("a component is initialized with all its metadata, and invoked by the operations that it lists", async () => {
  const { fake, runtime, status } = await started({ url: "http://here", Depth: "7", route: "/in" });
  expect(fake.inits).toEqual([
    {
      direction: "output",
      instance: "orders",
      properties: {
        ...{ direction: "output", host: "here", url: "http://here", Depth: "7", route: "/in" },
      },
    },
  ]);
  expect(status()).toMatchObject({
    state: "running",
    directions: { input: false, output: true },
    operations: ["create", "get"],
  });
  fake.onInvoke = ({ data }) => ({ data: Buffer.from(`${data}!`), metadata: { size: "3" } });
  const answer = await runtime.invoke({
    name: "orders",
    operation: "get",
    data: Buffer.from("one"),
    encoding: "bytes",
    metadata: { key: "k" },
    signal: new AbortController().signal,
  });
  expect(Buffer.from(answer?.data ?? []).toString()).toBe("one!");
  expect(answer?.metadata).toEqual({ size: "3" });
  expect(fake.calls).toMatchObject([
    { operation: "get", data: "one", metadata: { key: "k" }, instance: "orders" },
  ]);
});

test("an operation that it does not list is refused in daprd's words, and not sent", async () => {
  const { fake, invoke } = await started();
  await expect(invoke("orders", "delete")).rejects.toMatchObject({
    reason: "unimplemented",
    message: "binding orders does not support operation delete. supported operations:create get",
  });
  expect(fake.calls).toEqual([]);
});

test.for([
  [Code.Unknown, "Unknown", "internal", "ambiguous"],
  [Code.InvalidArgument, "InvalidArgument", "invalid_argument", "rejected"],
  [Code.NotFound, "NotFound", "not_found", "rejected"],
  [Code.ResourceExhausted, "ResourceExhausted", "resource_exhausted", "rejected"],
  [Code.Unavailable, "Unavailable", "unavailable", "ambiguous"],
  [Code.DeadlineExceeded, "DeadlineExceeded", "deadline_exceeded", "ambiguous"],
  [Code.Canceled, "Canceled", "cancelled", "ambiguous"],
] as const)("status %i is %s: %s, %s", async ([code, name, reason, effect]) => {
  const { fake, invoke } = await started();
  fake.onInvoke = () => {
    throw new ConnectError("no room", code);
  };
  await expect(invoke("orders")).rejects.toMatchObject({
    ...{ reason, effect, message: `rpc error: code = ${name} desc = no room` },
  });
  expect(fake.calls).toHaveLength(1);
});

test("a call that is cut is ambiguous and not repeated; one that finds nobody is unsent", async () => {
  const { fake, invoke, status } = await started();
  fake.onInvoke = () => fake.crash().then(() => ({}));
  await expect(invoke("orders")).rejects.toMatchObject({
    ...{ reason: "unavailable", effect: "ambiguous" },
  });
  expect(fake.calls).toHaveLength(1);
  await vi.waitFor(() => expect(status().state).toBe("reconnecting"), eventually);
  const cancelled = AbortSignal.timeout(50);
  await expect(invoke("orders", "create", "x", { signal: cancelled })).rejects.toMatchObject({
    effect: "unsent",
  });
  expect(fake.calls).toHaveLength(1);
});

test("a caller that gives up ends the call at the component", async () => {
  const { fake, invoke } = await started();
  const begun = Promise.withResolvers<void>();
  fake.onInvoke = () => {
    begun.resolve();
    return new Promise(() => {});
  };
  const caller = new AbortController();
  const call = invoke("orders", "create", "x", { signal: caller.signal });
  await begun.promise;
  caller.abort();
  await expect(call).rejects.toMatchObject({ reason: "cancelled", effect: "ambiguous" });
});

test("values of its metadata are not shown, whatever the component says", async () => {
  const folder = await socketsFolder();
  const fake = await FakeComponent.start({ folder });
  fake.onInit = ({ properties }) => {
    throw new ConnectError(`cannot log in with ${properties["token"]}`, Code.Unauthenticated);
  };
  const { runtime, status, lines } = hostOf(folder);
  await runtime.apply([
    component("queue", { token: "a-very-secret-text" }, { secrets: ["a-very-secret-text"] }),
  ]);
  expect(status().reason).toBe("rpc error: code = Unauthenticated desc = cannot log in with ***");
  expect(JSON.stringify(lines)).not.toContain("a-very-secret-text");
});
