import { expect, test, vi } from "vitest";
import type { Outcome } from "../../../src/runtime/app.ts";
import { testRestart, testSource, type Source } from "../../bindings/contract.ts";
import { FakeApp, refused } from "../../runtime/fake-app.ts";
import { component } from "../../runtime/fake-binding.ts";
import { eventually, FakeComponent, socketsFolder } from "../fake-component.ts";
import { hostOf, pluggableIn } from "./hosted.ts";

const input = component("queue", {
  direction: "input",
  onExhausted: "return",
  backOffMaxRetries: "0",
});

async function started(handle?: () => Outcome | Promise<Outcome>) {
  const folder = await socketsFolder();
  const fake = await FakeComponent.start({ folder });
  const app = new FakeApp(handle);
  const host = hostOf(folder, { app });
  await host.runtime.apply([input]);
  return { ...host, fake, app };
}

test("each event is acknowledged with the app's reply", async () => {
  const { fake, app } = await started(() => ({
    kind: "handled",
    reply: { data: Buffer.from("world hello"), source: "grpc" },
  }));
  fake.send("hello world", { topic: "orders" });
  await vi.waitFor(
    () => expect(fake.acknowledged).toEqual([{ data: "world hello", error: undefined }]),
    eventually,
  );
  expect(app.deliveries).toMatchObject([{ metadata: { topic: "orders" }, name: "orders" }]);
  expect(app.texts).toEqual(["hello world"]);
  expect(fake.inits).toMatchObject([{ direction: "input", instance: "orders" }]);
});

test("an event that the app refuses is acknowledged with its reason", async () => {
  let refusals = 0;
  const { fake } = await started(() =>
    refusals++ === 0 ? refused("no such order") : { kind: "handled", reply: undefined },
  );
  fake.send("one");
  await vi.waitFor(() => expect(fake.acknowledged).toHaveLength(2), eventually);
  expect(fake.acknowledged[0]?.error).toContain("no such order");
  expect(fake.acknowledged[1]).toEqual({ data: "", error: undefined });
});

test("events are handled side by side, each with its own acknowledgement, no more than the window", async () => {
  const held = Promise.withResolvers<void>();
  const { fake, app } = await started(async () => {
    await held.promise;
    return { kind: "handled", reply: undefined };
  });
  for (let n = 0; n < 200; n++) fake.send(String(n));
  await vi.waitFor(() => expect(app.deliveries).toHaveLength(64), eventually);
  expect(fake.acknowledged).toEqual([]);
  held.resolve();
  await vi.waitFor(() => expect(fake.acknowledged).toHaveLength(200), eventually);
  expect(app.most).toBe(64);
});

test("at its end what was handled is acknowledged before the stream ends, what comes late is refused in daprd's words", async () => {
  const held = Promise.withResolvers<void>();
  const { fake, app, runtime } = await started(async () => {
    await held.promise;
    return { kind: "handled", reply: undefined };
  });
  for (let n = 0; n < 10; n++) fake.send(String(n));
  await vi.waitFor(() => expect(app.deliveries).toHaveLength(10), eventually);
  const began = performance.now();
  const closed = runtime.close(5_000);
  fake.send("late");
  const late = { data: "", error: "input binding is closed" };
  await vi.waitFor(() => expect(fake.acknowledged).toContainEqual(late), eventually);
  held.resolve();
  await closed;
  await vi.waitFor(() => expect(fake.cleanEnds).toBe(1), eventually);
  const handled = fake.acknowledged.filter(({ error }) => error === undefined);
  expect(handled).toHaveLength(10);
  expect(app.texts).not.toContain("late");
  // A component that sends what was refused again at once is not answered at once.
  const refusals = fake.acknowledged.length - handled.length;
  expect(refusals).toBeLessThan((performance.now() - began) / 45 + 2);
});

test("a stream that the component ends is opened again, after its initialization", async () => {
  const { fake, app } = await started();
  fake.send("one");
  await vi.waitFor(() => expect(fake.acknowledged).toHaveLength(1), eventually);
  fake.cut();
  fake.send("two");
  await vi.waitFor(() => expect(fake.acknowledged).toHaveLength(2), eventually);
  expect(app.texts).toEqual(["one", "two"]);
  expect(fake.reads).toBe(2);
  expect(fake.inits.map(({ instance }) => instance)).toEqual(["orders", "orders"]);
});

test("an app that does not want its events does not read them", async () => {
  const folder = await socketsFolder();
  const fake = await FakeComponent.start({ folder, offers: ["input"] });
  const app = new FakeApp();
  app.wantsInput = async () => false;
  const { runtime, status } = hostOf(folder, { app });
  await runtime.apply([component("queue")]);
  await vi.waitFor(() => expect(status().state).toBe("waiting for app"), eventually);
  expect(fake.reads).toBe(0);
});

test("a message that is larger than what is taken breaks the stream, and is named", async () => {
  const { fake, lines } = await started();
  fake.send(Buffer.alloc(17 * 1024 * 1024));
  // The component sends it again each time, so that the state changes to and fro.
  await vi.waitFor(
    () => expect(JSON.stringify(lines)).toMatch(/reading events failed: .*ResourceExhausted/),
    eventually,
  );
});

const parts = new Map<string, FakeComponent>();

/** The binding of a socket that the place makes: its type is the same for all, its folder each test's own. */
const source: Source = {
  get binding() {
    const binding = pluggableIn(current).find("queue", undefined);
    if (binding === undefined) throw new Error("no binding");
    return binding;
  },
  largest: 1024 * 1024,
  async place() {
    current = await socketsFolder();
    const fake = await FakeComponent.start({ folder: current });
    parts.set("current", fake);
    return {
      properties: {},
      send: async (data) => fake.send(data),
      async sendMarked() {
        fake.send("marked", { "x-a": "1", Key: "é" });
        return ({ metadata }) => expect(metadata).toMatchObject({ "x-a": "1", Key: "é" });
      },
    };
  },
};
let current = "";

testSource("pluggable", source);
testRestart("pluggable", source, {
  async restart() {
    const fake = parts.get("current");
    await fake?.crash();
    await fake?.listen();
  },
});
