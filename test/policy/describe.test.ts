import { expect, test } from "vitest";
import { describePolicies, describePolicy } from "../../src/policy/describe.ts";
import type { ResolvedPolicy } from "../../src/policy/policies.ts";
import { defaultInboundPolicy, defaultOutboundPolicy } from "../../src/policy/retry.ts";

const sources = { retry: "default", timeout: "default: none", breaker: "default: none" };
const inbound: ResolvedPolicy = { retry: defaultInboundPolicy, sources };
const outbound: ResolvedPolicy = { retry: defaultOutboundPolicy, sources };

test("a default", () => {
  expect(describePolicy(inbound, "inbound")).toEqual([
    { name: "attempts", value: "10", source: "default" },
    { name: "pauses", value: "1s × 2 to 1m, ± 10 %", source: "default" },
    { name: "repeats", value: "whatever the app does not handle", source: "default" },
    { name: "timeout", value: "none", source: "default: none" },
    { name: "circuit breaker", value: "none", source: "default: none" },
  ]);
});

test("everything that Resiliency can say", () => {
  const policy: ResolvedPolicy = {
    retry: { attempts: Infinity, initial: 5000, max: 5000, multiplier: 1, jitter: 0 },
    repeatsAmbiguous: true,
    matching: { http: [{ from: 500, to: 599 }], grpc: [{ from: 14, to: 14 }] },
    timeout: 1500,
    breaker: {
      ...{ name: "simple", state: "open", passesIn: 11_999.2 },
      enter: () => undefined,
      done: () => undefined,
      onPass: () => () => undefined,
    },
    sources: { retry: "r", timeout: "t", breaker: "b" },
  };
  expect(describePolicy(policy, "outbound")).toEqual([
    { name: "attempts", value: "without end", source: "r" },
    { name: "pauses", value: "5s", source: "r" },
    {
      name: "repeats",
      value:
        "HTTP 500-599 and gRPC 14; without such a code what was not sent, and what may have been done",
      source: "r",
    },
    { name: "timeout", value: "1.5s", source: "t" },
    { name: "circuit breaker", value: "simple, open for another 12s", source: "b" },
  ]);
});

test("an output repeats what can be done twice, and one attempt has no pauses", () => {
  const values = (policy: ResolvedPolicy) =>
    describePolicy(policy, "outbound").map(({ value }) => value);
  expect(values(outbound).slice(0, 3)).toEqual([
    ...["3", "100ms × 2 to 1s, ± 10 %", "what was not sent, and what can be done twice"],
  ]);
  const once = { ...outbound, retry: { ...defaultOutboundPolicy, attempts: 1 } };
  expect(values(once)).toEqual(["1", "none", "none"]);
});

test("of a component, only the ways that it has", () => {
  const described = describePolicies({ inbound, outbound }, { input: true, output: false });
  expect(described.inbound).toHaveLength(5);
  expect(described.outbound).toBeUndefined();
});
