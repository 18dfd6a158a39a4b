import { afterEach, describe, expect, test } from "vitest";
import { component, Kits, mail, orders } from "./kits.ts";

const kits = new Kits();
afterEach(() => kits.close());

function withMetadata(one: typeof orders, metadata: Record<string, string>) {
  const { spec, ...rest } = one;
  const added = Object.entries(metadata).map(([name, value]) => ({ name, value }));
  return { ...rest, spec: { ...spec, metadata: [...spec.metadata, ...added] } };
}

const resiliency = (targets: string) => `
apiVersion: dapr.io/v1alpha1
kind: Resiliency
metadata: {name: policies}
spec:
  policies:
    timeouts: {short: 2s}
    retries: {once: {policy: constant, duration: 10s, maxRetries: 1}}
    circuitBreakers:
      fragile: {maxRequests: 1, timeout: 1m, trip: consecutiveFailures >= 2}
  targets: {components: ${targets}}
`;

test("cron ticks when the test's time has come", async () => {
  const ticks: string[] = [];
  const kit = await kits.of({
    components: [component("tick", "cron", { schedule: "TZ=UTC 0 */6 * * *" })],
    now: "2026-03-01T01:00:00Z",
    app: { bindings: { tick: () => void ticks.push(kit.clock.now().toISOString()) } },
  });
  expect(kit.clock.now()).toEqual(new Date("2026-03-01T01:00:00Z"));
  await kit.clock.advance("4h");
  expect(ticks).toEqual([]);
  await kit.clock.advance("24h");
  expect(ticks.map((tick) => tick.slice(0, 13))).toEqual([
    ...["2026-03-01T06", "2026-03-01T12", "2026-03-01T18", "2026-03-02T00"],
  ]);
  expect(kit.input("tick").delivered).toMatchObject(
    ticks.map(() => ({ outcome: "handled", attempts: 1 })),
  );
});

test("a tick may also be fed by hand", async () => {
  let ticks = 0;
  const kit = await kits.of({
    components: [component("tick", "cron", { schedule: "@every 15m" })],
    app: { bindings: { tick: () => void ticks++ } },
  });
  await kit.input("tick").deliver({});
  await kit.clock.advance("15m");
  expect(ticks).toBe(2);
});

test("a timeout of a policy ends an attempt that has no end", async () => {
  let asked = 0;
  const end = Promise.withResolvers<void>();
  const kit = await kits.of({
    components: [orders, resiliency("{orders: {inbound: {timeout: short, retry: once}}}")],
    patience: 20,
    app: {
      bindings: {
        async orders() {
          if (++asked === 1) await end.promise;
        },
      },
    },
  });
  const delivered = kit.input("orders").deliver("x");
  await kit.clock.advance("11s");
  expect(asked).toBe(1);
  await kit.clock.advance("1s");
  expect(await delivered).toMatchObject({ outcome: "handled", attempts: 2 });
  end.resolve();
});

test("a circuit breaker opens, and lets calls through again after its time", async () => {
  const kit = await kits.of({
    components: [mail, resiliency("{mail: {outbound: {circuitBreaker: fragile}}}")],
    faults: ["mail: fail first 2"],
  });
  const send = () => kit.invoke("mail", "create");
  await expect(send()).rejects.toThrow("scripted fault");
  await expect(send()).rejects.toThrow("scripted fault");
  await expect(send()).rejects.toThrow("lets calls through again in 1m");
  await kit.clock.advance("59s");
  await expect(send()).rejects.toThrow("lets calls through again in 1s");
  await kit.clock.advance("1s");
  await send();
});

test("what is remembered for a while is forgotten after it", async () => {
  let seen = 0;
  const kit = await kits.of({
    components: [withMetadata(orders, { deduplicate: "id", deduplicateWindow: "1h" }), mail],
    app: { bindings: { orders: () => void seen++ } },
  });
  const deliver = () => kit.input("orders").deliver({ data: "x", id: "one" });
  await deliver();
  await kit.clock.advance("59m");
  await deliver();
  expect(seen).toBe(1);
  await kit.clock.advance("2m");
  await deliver();
  expect(seen).toBe(2);
  const send = () => kit.invoke("mail", "create", { metadata: { "idempotency-key": "k" } });
  await send();
  expect(await send()).toEqual({ metadata: { "idempotency-replayed": "true" } });
  await kit.clock.advance("25h");
  await send();
  expect(kit.output("mail").calls).toHaveLength(2);
});

test("handlers and answers take the test's time", async () => {
  const kit = await kits.of({
    components: [orders, mail],
    app: (kit) => ({
      bindings: {
        async orders() {
          await kit.clock.delay("10s");
          await kit.invoke("mail", "create");
        },
      },
    }),
  });
  kit.output("mail").on("create", async () => {
    await kit.clock.delay("20s");
    return { data: "late" };
  });
  const before = performance.now();
  const began = kit.clock.now().getTime();
  await kit.clock.until(kit.input("orders").deliver("x"));
  expect(kit.clock.now().getTime() - began).toBe(30_000);
  expect(performance.now() - before).toBeLessThan(25_000);
});

test("until says so when nothing will settle the promise", async () => {
  const kit = await kits.of({ components: [mail], patience: 20 });
  const never = Promise.withResolvers<void>().promise;
  await expect(kit.clock.until(never, "1h")).rejects.toThrow("nothing that is due within 1h");
  await expect(kit.clock.advance("soon")).rejects.toThrow('"soon" is no duration: say "5s"');
});

test("two kits have two times", async () => {
  const [a, b] = await Promise.all([
    kits.of({ components: [mail], now: "2026-01-01" }),
    kits.of({ components: [mail], now: "2027-01-01" }),
  ]);
  await a.clock.advance("1h");
  expect(a.clock.now()).toEqual(new Date("2026-01-01T01:00:00Z"));
  expect(b.clock.now()).toEqual(new Date("2027-01-01T00:00:00Z"));
});

describe("real time", () => {
  test("goes by itself", async () => {
    let asked = 0;
    const kit = await kits.of({
      components: [withMetadata(orders, { backOffDuration: "1ms" })],
      clock: "real",
      app: {
        bindings: {
          orders() {
            if (++asked === 1) throw new Error("once");
          },
        },
      },
    });
    expect(await kit.input("orders").deliver("x")).toMatchObject({ attempts: 2 });
    await expect(kit.clock.advance("1s")).rejects.toThrow("it goes by itself");
    expect(await kit.clock.until(Promise.resolve(1))).toBe(1);
  });
});
