import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Reply } from "../../../src/runtime/app.ts";
import { FakeApp } from "../fake-app.ts";
import { component, FakeSystem, startRuntime } from "../fake-binding.ts";
import { settled, sourceEvent } from "../source-event.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

type Broker = {
  /** Components whose outputs put what they get into the inputs of others. */
  readonly feeds: Readonly<Record<string, string>>;
  /** Whether messages keep their headers. */
  readonly headers: boolean;
  /** Milliseconds from one to the next. */
  readonly delay: number;
};

/** Components of a broker; an app that answers an event of each by a reply to the output of the same name. */
async function start(
  { feeds, headers, delay }: Broker,
  reply: (name: string) => Omit<Reply, "source">,
) {
  const systems = new Map(Object.keys(feeds).map((name) => [name, new FakeSystem()]));
  for (const [name, system] of systems) {
    system.invoke = async ({ data, properties }) => {
      const { traceparent } = properties;
      const kept =
        headers && traceparent !== undefined
          ? { headers: [{ name: "traceparent", value: Buffer.from(traceparent) }] }
          : {};
      const event = { ...sourceEvent("fed", kept), data };
      setTimeout(() => {
        const target = feeds[name] ?? "";
        if (target !== "") void systems.get(target)?.reading.deliver([event]);
      }, delay);
    };
  }
  const app = new FakeApp(({ name }) => ({
    kind: "handled",
    reply: { source: "grpc", ...reply(name) },
  }));
  const started = startRuntime({
    bindings: [...systems].map(([name, system]) => system.binding(name)),
    app,
  });
  await started.runtime.apply([...systems.keys()].map((name) => component(name, {}, { name })));
  await settled();
  const deliver = (name: string, text: string) =>
    systems.get(name)?.reading.deliver([sourceEvent(text)]);
  const warnings = () => started.lines.filter(({ level }) => level === "warn");
  return { ...started, app, deliver, warnings };
}

test.each([true, false])(
  "a component that is fed by its own replies is named once, with the rate (headers: %s)",
  async (headers) => {
    const { deliver, warnings, status } = await start(
      { feeds: { orders: "orders" }, headers, delay: 10 },
      () => ({ to: ["orders"], data: Buffer.from("again") }),
    );
    void deliver("orders", "first");
    await vi.advanceTimersByTimeAsync(200);
    expect([warnings(), status().reason]).toEqual([[], ""]);
    await vi.advanceTimersByTimeAsync(60_000);
    const what = "replies to events of orders go to orders and come back as events of orders";
    expect(warnings()).toEqual([
      {
        level: "warn",
        fields: { reason: what, rate: "100 events/s" },
        message: "a loop: replies come back as events without end",
      },
    ]);
    expect(status()).toMatchObject({ state: "running", reason: `a loop of 100 events/s: ${what}` });
  },
);

test("several loops of one component at one time are named once, and again only after they were over", async () => {
  let goes = true;
  const { deliver, warnings, status } = await start(
    { feeds: { orders: "orders" }, headers: true, delay: 100 },
    () => ({ to: goes ? ["orders"] : [], data: Buffer.from("again") }),
  );
  for (let time = 0; time < 20; time++) {
    void deliver("orders", `first ${time}`);
    await vi.advanceTimersByTimeAsync(500);
    if (time > 5) expect(status().reason).toContain("a loop of");
  }
  expect(warnings()).toHaveLength(1);
  goes = false;
  await vi.advanceTimersByTimeAsync(20_000);
  goes = true;
  void deliver("orders", "once more");
  await vi.advanceTimersByTimeAsync(5_000);
  expect(warnings()).toHaveLength(2);
});

test("a loop over two components is named at both", async () => {
  const { deliver, warnings, status } = await start(
    { feeds: { orders: "bills", bills: "orders" }, headers: true, delay: 250 },
    (name) => ({ to: [name], data: Buffer.from("on and on") }),
  );
  void deliver("orders", "first");
  await vi.advanceTimersByTimeAsync(60_000);
  expect(warnings().map(({ fields }) => fields)).toEqual([
    {
      reason: "replies to events of orders go to orders and come back as events of bills",
      rate: "2.0 events/s",
    },
    {
      reason: "replies to events of bills go to bills and come back as events of orders",
      rate: "2.0 events/s",
    },
  ]);
  expect(status("bills").reason).toContain("a loop of 2.0 events/s");
});

test("a loop that has ended is no more in the state", async () => {
  let goes = true;
  const { deliver, status } = await start(
    { feeds: { orders: "orders" }, headers: true, delay: 10 },
    () => ({ to: goes ? ["orders"] : [], data: Buffer.from("again") }),
  );
  void deliver("orders", "first");
  await vi.advanceTimersByTimeAsync(5_000);
  expect(status().reason).toContain("a loop");
  goes = false;
  await vi.advanceTimersByTimeAsync(15_000);
  expect(status().reason).toBe("");
});

test("replies that go elsewhere are no loop, though they say the same as the events", async () => {
  const { deliver, warnings, status, app } = await start(
    { feeds: { orders: "", bills: "" }, headers: true, delay: 10 },
    () => ({ to: ["bills"], data: Buffer.from("ping") }),
  );
  for (let time = 0; time < 100; time++) {
    void deliver("orders", "ping");
    await vi.advanceTimersByTimeAsync(10);
  }
  expect(app.deliveries).toHaveLength(100);
  expect([warnings(), status().reason]).toEqual([[], ""]);
});

test("work that goes through its own queue some times is no loop", async () => {
  let left = 20;
  const { deliver, warnings, app } = await start(
    { feeds: { pages: "pages" }, headers: true, delay: 10 },
    () => ({ to: left-- > 0 ? ["pages"] : [], data: Buffer.from(`page ${left}`) }),
  );
  void deliver("pages", "first");
  await vi.advanceTimersByTimeAsync(10_000);
  expect(app.deliveries).toHaveLength(21);
  expect(warnings()).toEqual([]);
});
