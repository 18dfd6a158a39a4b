import { expect, test, vi } from "vitest";
import { ComponentPolicies } from "../../src/policy/component-policies.ts";
import { compilePolicies, type OwnPolicy, type PolicyTarget } from "../../src/policy/policies.ts";
import {
  defaultNames,
  reservedNames,
  type CircuitBreakerRule,
  type PolicyNames,
  type Resiliency,
  type RetryRule,
  type Rule,
} from "../../src/policy/resiliency.ts";
import { defaultInboundPolicy, defaultOutboundPolicy } from "../../src/policy/retry.ts";

const origin = (line: number) => ({ file: "r.yaml", line, column: 3 });

function rules<Value>(values: Record<string, Value>): ReadonlyMap<string, Rule<Value>> {
  return new Map(
    Object.entries(values).map(([name, value], index) => [
      name,
      { name, value, resource: "shop", origin: origin(index + 1) },
    ]),
  );
}

function resiliency(given: {
  timeouts?: Record<string, number>;
  retries?: Record<string, number>;
  circuitBreakers?: Record<string, Partial<CircuitBreakerRule>>;
  targets?: Record<string, Partial<Record<"inbound" | "outbound", Omit<PolicyNames, "origin">>>>;
}): Resiliency {
  const retry = (attempts: number): RetryRule => ({ ...defaultOutboundPolicy, attempts });
  const breaker = (rule: Partial<CircuitBreakerRule>): CircuitBreakerRule => ({
    ...{ maxRequests: 1, interval: 0, timeout: 60_000, trip: undefined },
    ...rule,
  });
  const map = <From, To>(values: Record<string, From> = {}, to: (from: From) => To) =>
    rules(Object.fromEntries(Object.entries(values).map(([name, value]) => [name, to(value)])));
  return {
    timeouts: map(given.timeouts, (value) => value),
    retries: map(given.retries, retry),
    circuitBreakers: map(given.circuitBreakers, breaker),
    components: new Map(
      Object.entries(given.targets ?? {}).map(([name, { inbound, outbound }]) => [
        name,
        {
          resource: "shop",
          inbound: { origin: origin(20), ...inbound },
          outbound: { origin: origin(30), ...outbound },
        },
      ]),
    ),
  };
}

const own: OwnPolicy = { retry: { ...defaultInboundPolicy, attempts: 99 }, source: "metadata x" };
const orders: PolicyTarget = { component: "orders", kind: "Binding", direction: "outbound" };

async function resolve(
  given: Parameters<typeof resiliency>[0],
  target: Partial<PolicyTarget> = {},
) {
  const policies = await compilePolicies(resiliency(given));
  return policies.resolve({ ...orders, ...target }, own, () => undefined);
}

test("what Resiliency does not speak of is the component's own", async () => {
  const { retry, repeatsAmbiguous, timeout, breaker, sources } = await resolve({
    targets: { others: { outbound: { timeout: "t" } } },
    timeouts: { t: 5 },
  });
  expect([retry.attempts, repeatsAmbiguous, timeout, breaker]).toEqual([
    99,
    false,
    undefined,
    undefined,
  ]);
  expect(sources).toEqual({
    retry: "metadata x",
    timeout: "default: none",
    breaker: "default: none",
  });
});

test("a target names its policies, each way its own", async () => {
  const given = {
    timeouts: { t: 5000 },
    retries: { r: 4 },
    circuitBreakers: { c: {} },
    targets: {
      orders: {
        outbound: { timeout: "t", retry: "r", circuitBreaker: "c" },
        inbound: { timeout: "t" },
      },
    },
  };
  const out = await resolve(given);
  expect([out.timeout, out.retry.attempts, out.repeatsAmbiguous, out.breaker?.name]).toEqual([
    5000,
    4,
    true,
    "c",
  ]);
  expect(out.sources).toEqual({
    timeout: "t, by Resiliency shop targets.components.orders.outbound (r.yaml:30:3)",
    retry: "r, by Resiliency shop targets.components.orders.outbound (r.yaml:30:3)",
    breaker: "c, by Resiliency shop targets.components.orders.outbound (r.yaml:30:3)",
  });
  const into = await resolve(given, { direction: "inbound" });
  expect([into.timeout, into.retry.attempts, into.breaker]).toEqual([5000, 99, undefined]);
  expect(into.sources.timeout).toContain("orders.inbound (r.yaml:20:3)");
});

test("defaults go from the narrowest name to the widest, for each part by itself", async () => {
  const widest = { DefaultRetryPolicy: 1 };
  const component = { ...widest, DefaultComponentRetryPolicy: 2 };
  const outbound = { ...component, DefaultComponentOutboundRetryPolicy: 3 };
  const binding = { ...outbound, DefaultBindingComponentOutboundRetryPolicy: 4 };
  for (const [index, retries] of [widest, component, outbound, binding].entries())
    expect((await resolve({ retries })).retry.attempts).toBe(index + 1);
  expect((await resolve({ retries: binding }, { direction: "inbound" })).retry.attempts).toBe(2);
  expect((await resolve({ retries: binding }, { kind: "Statestore" })).retry.attempts).toBe(3);
  const mixed = await resolve({ retries: binding, timeouts: { DefaultTimeoutPolicy: 7 } });
  expect([mixed.retry.attempts, mixed.timeout]).toEqual([4, 7]);
  expect(mixed.sources.timeout).toBe("DefaultTimeoutPolicy of Resiliency shop (r.yaml:1:3)");
  const app = { DefaultAppRetryPolicy: 5, DefaultPubsubComponentOutboundRetryPolicy: 5 };
  expect((await resolve({ retries: app })).retry.attempts).toBe(99);
});

test("a target of its own gets no default, as in Dapr", async () => {
  const { retry, timeout } = await resolve({
    retries: { DefaultRetryPolicy: 4 },
    timeouts: { DefaultTimeoutPolicy: 5000, t: 7 },
    targets: { orders: { inbound: { timeout: "t" } } },
  });
  expect([retry.attempts, timeout]).toEqual([99, undefined]);
});

test("every name of a default is reserved", () => {
  for (const policies of ["timeouts", "retries", "circuitBreakers"] as const)
    for (const kind of ["Binding", "Statestore"] as const)
      for (const direction of ["inbound", "outbound"] as const)
        expect(reservedNames(policies)).toEqual(
          expect.arrayContaining(defaultNames(policies, kind, direction)),
        );
});

test("each component and way has a breaker of its own, by its trip", async () => {
  const policies = await compilePolicies(
    resiliency({
      circuitBreakers: { DefaultCircuitBreakerPolicy: { trip: "totalFailures >= 2" } },
    }),
  );
  const changes = vi.fn<(target: PolicyTarget, breaker: object, state: string) => void>();
  const of = (target: Partial<PolicyTarget>) =>
    policies.resolve({ ...orders, ...target }, own, changes).breaker!;
  const [outbound, inbound, other] = [of({}), of({ direction: "inbound" }), of({ component: "b" })];
  expect(new Set([outbound, inbound, other]).size).toBe(3);
  expect(of({})).toBe(outbound);
  for (let time = 0; time < 2; time++) outbound.done(outbound.enter()!, false);
  expect([outbound, inbound, other].map(({ state }) => state)).toEqual([
    "open",
    "closed",
    "closed",
  ]);
  await vi.waitUntil(() => changes.mock.calls.length > 0);
  expect(changes.mock.calls[0]?.[0]).toEqual(orders);
  expect(changes.mock.calls[0]?.[2]).toBe("open");
});

test("the default trip is six failures one after another", async () => {
  const { breaker } = await resolve({ circuitBreakers: { DefaultCircuitBreakerPolicy: {} } });
  for (let time = 0; time < 5; time++) breaker!.done(breaker!.enter()!, false);
  expect(breaker!.state).toBe("closed");
  breaker!.done(breaker!.enter()!, false);
  expect(breaker!.state).toBe("open");
});

test("a changed Resiliency counts at once, and an unchanged breaker goes on", async () => {
  const first = await compilePolicies(
    resiliency({
      circuitBreakers: { DefaultCircuitBreakerPolicy: { trip: "totalFailures >= 1" } },
    }),
  );
  const spec = { name: "orders", type: "bindings.kafka" };
  const holder = new ComponentPolicies(spec, undefined, () => undefined);
  const changed = vi.fn<() => void>();
  const end = holder.onChange(changed);
  expect(holder.inbound.retry).toEqual(defaultInboundPolicy);
  expect(holder.outbound.sources).toEqual({
    ...{ retry: "default", timeout: "default: none", breaker: "default: none" },
  });
  holder.apply(first);
  const { breaker } = holder.outbound;
  breaker!.done(breaker!.enter()!, false);
  holder.setOwn({ inbound: own, outbound: own });
  expect([holder.inbound.retry.attempts, holder.inbound.sources.retry]).toEqual([99, "metadata x"]);
  expect(holder.outbound.breaker).toBe(breaker);
  expect(changed).toHaveBeenCalledTimes(2);
  const same = await compilePolicies(
    resiliency({
      circuitBreakers: { DefaultCircuitBreakerPolicy: { trip: "totalFailures >= 1" } },
      retries: { DefaultRetryPolicy: 7 },
    }),
  );
  same.inherit(first);
  holder.apply(same);
  expect(holder.outbound.breaker).toBe(breaker);
  expect(holder.outbound.breaker?.state).toBe("open");
  expect(holder.outbound.retry.attempts).toBe(7);
  const other = await compilePolicies(
    resiliency({ circuitBreakers: { DefaultCircuitBreakerPolicy: {} } }),
  );
  other.inherit(same);
  holder.apply(other);
  expect(holder.outbound.breaker?.state).toBe("closed");
  end();
  holder.apply(undefined);
  expect(holder.outbound.breaker).toBeUndefined();
  expect(changed).toHaveBeenCalledTimes(4);
});
