import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import type { Settlement } from "../../../src/binding.ts";
import { BindingError } from "../../../src/errors.ts";
import type { Outcome } from "../../../src/runtime/app.ts";
import { FakeApp, refused } from "../../runtime/fake-app.ts";
import { component, FakeSystem } from "../../runtime/fake-binding.ts";
import { sourceEvent } from "../../runtime/source-event.ts";
import { eventually, socketsFolder } from "../fake-component.ts";
import { hostOf } from "../host/hosted.ts";
import { serveIn } from "./serving.ts";

/** A binding that is served by one process's part, and hosted by another's. */
async function started(handle?: () => Outcome | Promise<Outcome>) {
  const folder = await socketsFolder();
  const system = new FakeSystem();
  const server = await serveIn(folder, system.binding("fake"));
  const app = new FakeApp(handle);
  const host = hostOf(folder, { app });
  return { ...host, folder, system, server, app };
}

test("a host invokes what is served: data, metadata, operations", async () => {
  const { runtime, status, invoke, system } = await started();
  await runtime.apply([component("fake", { direction: "output", size: "7" })]);
  expect(status()).toMatchObject({
    ...{ state: "running", operations: ["create", "set", "put"] },
    directions: { input: false, output: true },
  });
  expect(system.opening).toMatchObject({
    component: { name: "orders", appId: "shop" },
    metadata: { host: "here", size: 7 },
    directions: { input: false, output: true },
  });
  system.invoke = async ({ data, properties }) => `${String(data)} ${properties["key"]}`;
  expect(await invoke("orders", "create", "hello", { metadata: { key: "k" } })).toBe("hello k");
});

test("its errors keep their reason and text", async () => {
  const { runtime, invoke, system } = await started();
  await runtime.apply([component("fake", { direction: "output" })]);
  system.invoke = async () => {
    throw new BindingError("not_found", "there is no such order");
  };
  await expect(invoke("orders")).rejects.toMatchObject({
    ...{ reason: "not_found", effect: "rejected" },
    message: "rpc error: code = NotFound desc = there is no such order",
  });
});

test("an event is settled as the host's app says", async () => {
  let refusals = 0;
  const { runtime, system, app } = await started(() =>
    refusals++ === 0
      ? refused("not now")
      : { kind: "handled", reply: { data: Buffer.from("done"), source: "grpc" } },
  );
  const values = { direction: "input", onExhausted: "return", backOffMaxRetries: "0" };
  await runtime.apply([component("fake", values)]);
  await vi.waitFor(() => expect(system.readings).toHaveLength(1), eventually);
  const settlements: Settlement[] = [];
  const event = (data: string) => ({
    ...sourceEvent(data),
    data: Buffer.from(data),
    metadata: { topic: "t" },
    settle: (settlement: Settlement) => void settlements.push(settlement),
  });
  await system.reading.deliver([event("one")]);
  await vi.waitFor(() => expect(settlements).toHaveLength(1), eventually);
  expect(settlements[0]).toMatchObject({ outcome: "returned" });
  expect(JSON.stringify(settlements[0])).toContain("not now");
  await system.reading.deliver([event("two")]);
  await vi.waitFor(() => expect(settlements).toHaveLength(2), eventually);
  expect(settlements[1]).toMatchObject({ outcome: "handled" });
  expect(
    Buffer.from((settlements[1] as { reply: { data: Uint8Array } }).reply.data).toString(),
  ).toBe("done");
  expect(app.deliveries.map(({ metadata }) => metadata["topic"])).toEqual(["t", "t"]);
});

test("nothing is read before a host reads, and no more once it has gone", async () => {
  const { runtime, system } = await started();
  const input = component("fake", { direction: "input" });
  await runtime.apply([input]);
  await vi.waitFor(() => expect(system.log).toContain("read 1"), eventually);
  const settled = Promise.withResolvers<Settlement>();
  await runtime.close();
  await system.reading.deliver([{ ...sourceEvent("late"), settle: settled.resolve }]);
  // No host reads: it waits here, unattempted, until the process ends.
  const pending = await Promise.race([
    settled.promise,
    new Promise((resolve) => setImmediate(resolve)),
  ]);
  expect(pending).toBeUndefined();
});

test("an input that nobody reads any more lets go of its source, until somebody reads again", async () => {
  const folder = await socketsFolder();
  const system = new FakeSystem();
  await serveIn(folder, system.binding("fake"), { idleAfter: 50 });
  const input = component("fake", { direction: "input" });
  const first = hostOf(folder, { app: new FakeApp() });
  await first.runtime.apply([input]);
  await vi.waitFor(() => expect(system.log).toContain("read 1"), eventually);
  const settled = Promise.withResolvers<Settlement>();
  await first.runtime.close();
  await system.reading.deliver([{ ...sourceEvent("late"), settle: settled.resolve }]);
  expect(await settled.promise).toMatchObject({ outcome: "returned", unattempted: true });
  await vi.waitFor(() => expect(system.log).toContain("close 1"), eventually);
  const second = hostOf(folder, { app: new FakeApp() });
  await second.runtime.apply([input]);
  await vi.waitFor(() => expect(system.log).toContain("read 2"), eventually);
  expect(system.openings).toHaveLength(1);
});

test("what cannot start fails its initialization with the reason, and runs nowhere", async () => {
  const { runtime, status, system } = await started();
  await runtime.apply([component("fake", { size: "1000" })]);
  expect(status()).toMatchObject({ state: "failed" });
  expect(status().reason).toContain("must be from");
  system.open = () => {
    throw new BindingError("unavailable", "connection refused", { effect: "unsent" });
  };
  await runtime.apply([component("fake", { size: "2" })]);
  await vi.waitFor(() => expect(status().reason).toContain("connection refused"), eventually);
  expect(status().state).toBe("reconnecting");
  const attempts = system.openings.length;
  await runtime.apply([]);
  // Nobody opens it again behind the host's back.
  expect(system.openings.length - attempts).toBeLessThanOrEqual(1);
  expect(system.readings).toHaveLength(0);
});

test("instances are told apart, and a second initialization with the same metadata changes nothing", async () => {
  const { runtime, system, folder, invoke } = await started();
  const output = (name: string, size: string) =>
    component("fake", { direction: "output", size }, { name });
  await runtime.apply([output("one", "1"), output("two", "2")]);
  expect(system.openings.map(({ component }) => component.name).toSorted()).toEqual(["one", "two"]);
  system.invoke = async ({ metadata }) => String(metadata.size);
  expect(await invoke("two")).toBe("2");
  const other = hostOf(folder);
  await other.runtime.apply([output("two", "2")]);
  expect(system.openings).toHaveLength(2);
  expect(await other.invoke("two")).toBe("2");
});

test("the heartbeat tells of a served component that has lost its system", async () => {
  const { folder, system } = await started();
  const { pluggableIn } = await import("../host/hosted.ts");
  const { openOutput } = await import("../../bindings/opened-output.ts");
  const binding = pluggableIn(folder).find("fake", undefined);
  if (binding === undefined) throw new Error("no binding");
  await using opened = await openOutput(binding, { host: "here" });
  await opened.ping();
  system.open = () => {
    throw new BindingError("unavailable", "connection refused", { effect: "unsent" });
  };
  system.opening.lost(new BindingError("unavailable", "the server has gone"));
  await expect
    .poll(() => opened.ping().then(() => "well", String), eventually)
    .toMatch(/Unavailable desc = reconnecting: /);
});

test("the socket has its permissions, replaces one that was left, and is gone at the end", async () => {
  const folder = await socketsFolder();
  const path = join(folder, "deep", "fake.sock");
  const { spawnSync } = await import("node:child_process");
  const code = `require("fs").mkdirSync(${JSON.stringify(join(folder, "deep"))}); require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
  spawnSync(process.execPath, ["-e", code]);
  expect(existsSync(path)).toBe(true);
  const binding = new FakeSystem().binding("fake");
  const server = await serveIn(join(folder, "deep"), binding, { mode: 0o660 });
  expect(server.socket).toBe(path);
  expect((await stat(path)).mode & 0o777).toBe(0o660);
  await expect(serveIn(join(folder, "deep"), binding)).rejects.toThrow(
    `cannot listen on ${path}: another process listens there; end it, or choose another folder by --socket-folder`,
  );
  expect(existsSync(path)).toBe(true);
  await server.close(0);
  expect(existsSync(path)).toBe(false);
});

test("at its end events that the host has are settled before the socket's streams end", async () => {
  const held = Promise.withResolvers<void>();
  const { runtime, system, server, app } = await started(async () => {
    await held.promise;
    return { kind: "handled", reply: undefined };
  });
  await runtime.apply([component("fake", { direction: "input" })]);
  await vi.waitFor(() => expect(system.readings).toHaveLength(1), eventually);
  const settled = Promise.withResolvers<Settlement>();
  await system.reading.deliver([{ ...sourceEvent("one"), settle: settled.resolve }]);
  await vi.waitFor(() => expect(app.deliveries).toHaveLength(1), eventually);
  const closing = server.close(5_000);
  held.resolve();
  expect(await settled.promise).toMatchObject({ outcome: "handled" });
  await closing;
  expect(system.log.slice(-3)).toEqual(["flush 1", "close 1", "dispose 1"]);
});
