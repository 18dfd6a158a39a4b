import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test, vi } from "vitest";
import { SocketsFolder } from "../../../src/pluggable/sockets-folder.ts";
import { PluggableBindings } from "../../../src/pluggable/host/pluggable-bindings.ts";
import { FakeApp } from "../../runtime/fake-app.ts";
import { component, FakeSystem, startRuntime } from "../../runtime/fake-binding.ts";
import { eventually, FakeComponent, socketsFolder } from "../fake-component.ts";
import { hostOf, pluggableIn } from "./hosted.ts";

const queue = component("queue");

test("a socket that is not there is waited for, and delays no other component", async () => {
  const folder = await socketsFolder();
  const system = new FakeSystem();
  const { runtime, status, invoke } = startRuntime({
    pluggable: pluggableIn(folder),
    bindings: [system.binding("fake")],
  });
  // Were it awaited, this would take longer than a test may.
  const late = component("queue", {}, { initTimeout: 600_000 });
  await runtime.apply([late, component("fake", {}, { name: "other" })]);
  expect(status("other").state).toBe("running");
  expect(status()).toMatchObject({
    state: "reconnecting",
    reason: `waiting for socket ${folder}/queue.sock, by which a pluggable component serves bindings.queue`,
  });
  // A call waits for it, too.
  const call = invoke("orders", "create", "late");
  const fake = await FakeComponent.start({ folder });
  await call;
  expect(fake.calls).toMatchObject([{ data: "late" }]);
  expect(status()).toMatchObject({ state: "running", reason: "" });
});

test("a socket's type is its name without extension, in any case, and no file but a socket is one", async () => {
  const folder = await socketsFolder();
  await writeFile(join(folder, "queue.a"), "");
  const fake = await FakeComponent.start({ folder, file: "My.QUEUE.sock" });
  const { runtime, status } = hostOf(folder);
  await runtime.apply([component("my.queue"), component("queue", {}, { name: "file" })]);
  expect(status().state).toBe("running");
  expect(fake.inits).toHaveLength(2);
  expect(status("file").reason).toContain("waiting for socket");
});

test("a component that crashes and comes back is initialized again", async () => {
  const folder = await socketsFolder();
  const fake = await FakeComponent.start({ folder });
  const { runtime, status, invoke } = hostOf(folder);
  await runtime.apply([queue]);
  await fake.crash();
  await vi.waitFor(() => expect(status().reason).toContain("waiting for socket"), eventually);
  await fake.listen();
  await vi.waitFor(() => expect(status().state).toBe("running"), eventually);
  await invoke("orders", "create", "x");
  expect(fake.inits).toHaveLength(4);
  expect(fake.calls).toHaveLength(1);
});

test("a file that a dead process has left is waited at", async () => {
  const folder = await socketsFolder();
  const { spawnSync } = await import("node:child_process");
  const path = join(folder, "queue.sock");
  const code = `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
  spawnSync(process.execPath, ["-e", code]);
  const { runtime, status } = hostOf(folder);
  await runtime.apply([queue]);
  expect(status()).toMatchObject({
    ...{ state: "reconnecting", reason: `waiting for socket ${path}: nobody listens on it` },
  });
  await FakeComponent.start({ folder });
  await vi.waitFor(() => expect(status().state).toBe("running"), eventually);
});

test("the socket's services tell its directions", async () => {
  const folder = await socketsFolder();
  const options = { folder };
  const fakes = [
    await FakeComponent.start({ ...options, file: "in.sock", offers: ["input"] }),
    await FakeComponent.start({ ...options, file: "out.sock", offers: ["output"] }),
    await FakeComponent.start({ ...options, file: "both.sock" }),
  ];
  const { runtime, status, invoke } = hostOf(folder, { app: new FakeApp() });
  await runtime.apply(["in", "out", "both"].map((name) => component(name, {}, { name })));
  expect(status("in").directions).toEqual({ input: true, output: false });
  expect(status("out").directions).toEqual({ input: false, output: true });
  expect(status("both").directions).toEqual({ input: true, output: true });
  await expect(invoke("in")).rejects.toThrow("couldn't find output binding in");
  await vi.waitFor(() => expect(fakes.map(({ reads }) => reads)).toEqual([1, 0, 1]), eventually);
  expect(fakes[2]?.inits.map(({ direction }) => direction)).toEqual(["input", "output"]);
});

test("what a socket does not offer is said", async () => {
  const folder = await socketsFolder();
  await FakeComponent.start({ folder, file: "none.sock", offers: [] });
  await FakeComponent.start({ folder, file: "mute.sock", reflection: false });
  await FakeComponent.start({ folder, file: "out.sock", offers: ["output"] });
  const { runtime, status } = hostOf(folder);
  await runtime.apply([
    component("none", {}, { name: "none" }),
    component("mute", {}, { name: "mute" }),
    component("out", { direction: "input" }, { name: "out" }),
  ]);
  expect(status("none").reason).toBe(
    `${folder}/none.sock offers no binding, but dapr.proto.components.v1.StateStore`,
  );
  expect(status("mute").reason).toContain("mute.sock has no gRPC reflection");
  expect(status("out").reason).toBe(
    `the metadata direction names input, and ${folder}/out.sock offers no input binding`,
  );
});

test("components of one socket are told apart by their names", async () => {
  const folder = await socketsFolder();
  const fake = await FakeComponent.start({ folder, offers: ["output"] });
  const { runtime, invoke } = hostOf(folder);
  await runtime.apply(["one", "two"].map((name) => component("queue", { name }, { name })));
  expect(new Set(fake.inits.map(({ instance }) => instance))).toEqual(new Set(["one", "two"]));
  await invoke("two");
  expect(fake.calls).toMatchObject([{ instance: "two" }]);
});

test("a changed definition is tried on an instance of its own; refused, the old one goes on", async () => {
  const folder = await socketsFolder();
  const fake = await FakeComponent.start({ folder, offers: ["output"] });
  const { runtime, invoke, status } = hostOf(folder);
  await runtime.apply([queue]);
  fake.onInit = () => {
    throw new ConnectError("no such queue", Code.NotFound);
  };
  const { components } = await runtime.apply([component("queue", { size: "2" })]);
  expect(components).toMatchObject([{ change: "updated", outcome: "failed" }]);
  expect(status().reason).toContain("no such queue");
  await invoke("orders");
  expect(fake.calls).toMatchObject([{ instance: "orders" }]);
  fake.onInit = () => {};
  await runtime.apply([component("queue", { size: "3" })]);
  await invoke("orders");
  expect(fake.inits.map(({ instance }) => instance)).toEqual(["orders", "orders#2", "orders#2"]);
  expect(fake.calls[1]).toMatchObject({ instance: "orders#2" });
});

test("a type that is close to one of the runtime's is suggested; without a folder the component is failed", async () => {
  const folder = await socketsFolder();
  const { runtime, status } = hostOf(folder);
  await runtime.apply([component("kafak")]);
  expect(status().reason).toMatch(/waiting for socket .*; did you mean bindings\.kafka\?$/);

  const pluggable = new PluggableBindings({
    folder: new SocketsFolder(join(folder, "none"), false),
    names: () => ["kafka"],
    onShadowed() {},
  });
  const other = startRuntime({ pluggable });
  await other.runtime.apply([component("kafak")]);
  expect(other.status()).toMatchObject({
    state: "failed",
    reason: `couldn't find binding bindings.kafak, and there is no folder ${folder}/none with the socket of a pluggable component; did you mean bindings.kafka?`,
  });
});

test("a socket goes before a type of the runtime's own only in a folder that was named", async () => {
  const folder = await socketsFolder();
  const fake = await FakeComponent.start({ folder, file: "fake.sock", offers: ["output"] });
  const system = new FakeSystem();
  const bindings = [system.binding("fake")];
  const named = hostOf(folder, { bindings });
  await named.runtime.apply([component("fake")]);
  expect(fake.inits).toHaveLength(1);

  const onShadowed = vi.fn();
  const usual = new SocketsFolder(folder, false);
  const pluggable = new PluggableBindings({ folder: usual, names: () => ["fake"], onShadowed });
  const other = startRuntime({ pluggable, bindings });
  await other.runtime.apply([component("fake")]);
  expect(fake.inits).toHaveLength(1);
  expect(system.openings).toHaveLength(1);
  expect(onShadowed.mock.calls).toEqual([["fake", join(folder, "fake.sock")]]);
});

test("a heartbeat asks the component", async () => {
  const folder = await socketsFolder();
  const fake = await FakeComponent.start({ folder });
  const binding = pluggableIn(folder).find("queue", undefined);
  const { openOutput } = await import("../../bindings/opened-output.ts");
  if (binding === undefined) throw new Error("no binding");
  await using opened = await openOutput(binding, {});
  await opened.ping();
  expect(fake.pings).toBe(1);
});
