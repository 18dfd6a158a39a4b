import { describe, expect, test } from "vitest";
import { brief, check, component, folder, load } from "./folder.ts";

/** A Resiliency; the text is indented as the value of `spec`. */
function resiliency(spec: string, rest = "", name = "shop"): string {
  const lines = spec.trim().split("\n");
  return [
    "apiVersion: dapr.io/v1alpha1",
    "kind: Resiliency",
    `metadata: {name: ${name}}`,
    "spec:",
    ...lines.map((line) => `  ${line}`),
    ...(rest === "" ? [] : [rest]),
    "",
  ].join("\n");
}

const orders = component("orders", "bindings.kafka", "- {name: brokers, value: b}");

async function findings(yaml: string): Promise<string[]> {
  const path = folder({ "a.yaml": `${yaml}---\n${orders}` });
  return brief(await check(path), path);
}

async function read(yaml: string) {
  const path = folder({ "a.yaml": `${yaml}---\n${orders}` });
  const { resiliency: read, problems } = await load(path);
  expect(brief(problems, path)).toEqual([]);
  return read!;
}

const policies = `
policies:
  timeouts: {short: 5s, bare: 0s, long: 1h30m}
  retries:
    plain: {}
    quick: {policy: constant, duration: 200ms, maxRetries: 3}
    growing: {policy: Exponential, maxInterval: 15s, maxRetries: -1}
    never: {maxRetries: 0}
    own: {policy: exponential, initialInterval: 100ms, multiplier: 2, randomizationFactor: 0.1, maxRetries: 1}
    choosy: {maxRetries: 2, matching: {httpStatusCodes: "429,500-599,", gRPCStatusCodes: "14, 4 - 8"}}
  circuitBreakers:
    plain: {}
    full: {maxRequests: 3, interval: 8s, timeout: 45s, trip: totalFailures > 2 && consecutiveFailures >= 1}
    zero: {maxRequests: 0, timeout: 0s, interval: 0s, trip: ""}
`;

/** So that none of them is reported as unused. */
const uses = `
targets:
  apps:
    a: {timeout: short, retry: plain, circuitBreaker: plain}
    b: {timeout: long, retry: quick, circuitBreaker: full, circuitBreakerCacheSize: 5}
    c: {retry: growing, circuitBreaker: zero}
    d: {retry: never}
  actors:
    e: {retry: own, circuitBreakerScope: both}
  components:
    orders: {outbound: {retry: choosy}}
`;

describe("what is read", () => {
  test("policies with Dapr's defaults", async () => {
    const { timeouts, retries, circuitBreakers } = await read(
      resiliency(policies.replace("bare: 0s, ", "") + uses),
    );
    const values = (rules: ReadonlyMap<string, { value: unknown }>) =>
      Object.fromEntries([...rules].map(([name, { value }]) => [name, value]));
    expect(values(timeouts)).toEqual({ short: 5000, long: 5_400_000 });
    const constant = { initial: 5000, max: 5000, multiplier: 1, jitter: 0 };
    expect(values(retries)).toEqual({
      plain: { ...constant, attempts: Infinity },
      quick: { ...constant, initial: 200, max: 200, attempts: 4 },
      growing: { attempts: Infinity, initial: 500, max: 15_000, multiplier: 1.5, jitter: 0.5 },
      never: { ...constant, attempts: 1 },
      own: { attempts: 2, initial: 100, max: 60_000, multiplier: 2, jitter: 0.1 },
      choosy: {
        ...constant,
        attempts: 3,
        matching: {
          http: [
            { from: 429, to: 429 },
            { from: 500, to: 599 },
          ],
          grpc: [
            { from: 14, to: 14 },
            { from: 4, to: 8 },
          ],
        },
      },
    });
    const minute = { maxRequests: 1, interval: 0, timeout: 60_000, trip: undefined };
    expect(values(circuitBreakers)).toEqual({
      plain: minute,
      full: {
        ...{ maxRequests: 3, interval: 8000, timeout: 45_000 },
        trip: "totalFailures > 2 && consecutiveFailures >= 1",
      },
      zero: minute,
    });
  });

  test("targets, with the place of each way", async () => {
    const { components, retries } = await read(
      resiliency(
        "policies:\n  retries: {r: {}}\n  timeouts: {t: 1s}\ntargets:\n  components:\n    orders:\n      inbound: {retry: r}\n      outbound: {timeout: t}",
      ),
    );
    const file = expect.stringMatching(/a\.yaml$/) as string;
    expect(components.get("orders")).toEqual({
      resource: "shop",
      inbound: { origin: { file, line: 11, column: 9 }, retry: "r" },
      outbound: { origin: { file, line: 12, column: 9 }, timeout: "t" },
    });
    expect(retries.get("r")).toMatchObject({ resource: "shop", origin: { line: 6, column: 15 } });
  });

  test("scopes and namespaces choose, and without any there is none", async () => {
    const spec = "policies:\n  retries: {DefaultRetryPolicy: {}}";
    const path = folder({ "a.yaml": resiliency(spec, "scopes: [other]") });
    expect((await load(path)).resiliency).toBeUndefined();
    expect((await load(path, { appId: "other" })).resiliency?.retries.size).toBe(1);
    expect((await load(path, { appId: undefined })).resiliency?.retries.size).toBe(1);
    const elsewhere = resiliency(spec).replace("{name: shop}", "{name: shop, namespace: test}");
    const there = folder({ "a.yaml": elsewhere });
    expect((await load(there, { namespace: "prod" })).resiliency).toBeUndefined();
    expect((await load(there, { namespace: "test" })).resiliency?.retries.size).toBe(1);
  });

  test("several are one: names hold across them, and of a name given twice the last counts", async () => {
    const path = folder({
      "a.yaml": resiliency(
        "policies:\n  retries: {r: {maxRetries: 1}}\ntargets:\n  components: {orders: {outbound: {timeout: t, retry: r}}}",
      ),
      "b.yaml": resiliency(
        "policies:\n  timeouts: {t: 1s}\n  retries: {r: {maxRetries: 2}}",
        "",
        "more",
      ),
      "c.yaml": resiliency("targets:\n  components: {orders: {inbound: {retry: r}}}", "", "last"),
      "d.yaml": orders,
    });
    const { resiliency: read, problems } = await load(path);
    expect(read?.retries.get("r")).toMatchObject({ resource: "more", value: { attempts: 3 } });
    expect(read?.components.get("orders")).toMatchObject({
      resource: "last",
      inbound: { retry: "r" },
      outbound: { retry: undefined },
    });
    expect(brief(problems, path)).toEqual([
      `b.yaml:7:15 warning: retry "r" is also defined at ${path}/a.yaml:6:15; this one counts for both, rename one`,
      'c.yaml:6:18 warning: component "orders" is a target of Resiliency shop already; this one counts, keep one',
    ]);
  });
});

describe("what is wrong", () => {
  test.each([
    [
      "policies: {timeouts: {DefaultTimeoutPolicy: 5x}}",
      '5:47 error: spec.policies.timeouts.DefaultTimeoutPolicy "5x" is no duration; give a number with a unit, such as "5s" or "1m30s"',
    ],
    [
      "policies: {timeouts: {DefaultTimeoutPolicy: 1000h}}",
      '5:47 error: spec.policies.timeouts.DefaultTimeoutPolicy "1000h" is longer than 24 days',
    ],
    [
      "policies: {timeouts: {DefaultTimeoutPolicy: }}",
      '5:25 error: spec.policies.timeouts.DefaultTimeoutPolicy has no value; give a number with a unit, such as "5s" or "1m30s"',
    ],
    [
      "policies: {timeouts: {DefaultTimeoutPolicy: 5000}}",
      '5:47 warning: spec.policies.timeouts.DefaultTimeoutPolicy "5000" has no unit and is read as 5000ms',
    ],
    [
      "policies: {timeouts: {DefaultTimeoutPolicy: -1s}}",
      "5:47 warning: spec.policies.timeouts.DefaultTimeoutPolicy is not longer than zero, and so is no limit",
    ],
    [
      "policies: {retries: {DefaultRetryPolicy: {policy: expotential}}}",
      '5:53 error: spec.policies.retries.DefaultRetryPolicy.policy must be constant or exponential; did you mean "exponential"?',
    ],
    [
      "policies: {retries: {DefaultRetryPolicy: {maxRetrys: 3}}}",
      '5:45 warning: spec.policies.retries.DefaultRetryPolicy.maxRetrys is not known and is ignored; did you mean "maxRetries"?',
    ],
    [
      "policies: {retries: {DefaultRetryPolicy: {maxRetries: many}}}",
      '5:57 error: spec.policies.retries.DefaultRetryPolicy.maxRetries "many" is no whole number',
    ],
    [
      "policies: {retries: {DefaultRetryPolicy: {maxRetries: [1]}}}",
      "5:45 error: spec.policies.retries.DefaultRetryPolicy.maxRetries must be a text, not a list",
    ],
    [
      "policies: {retries: {DefaultRetryPolicy: {duration: -5s}}}",
      "5:55 error: spec.policies.retries.DefaultRetryPolicy.duration must not be below zero",
    ],
    [
      "policies: {retries: {DefaultRetryPolicy: {maxInterval: 5s}}}",
      '5:45 warning: spec.policies.retries.DefaultRetryPolicy.maxInterval is used by policy: exponential only; here "duration" is the pause',
    ],
    [
      "policies: {retries: {DefaultRetryPolicy: {policy: exponential, duration: 5s}}}",
      '5:66 warning: spec.policies.retries.DefaultRetryPolicy.duration is used by policy: constant only; here the pauses grow from "initialInterval" to "maxInterval"',
    ],
    [
      "policies: {retries: {DefaultRetryPolicy: {randomizationFactor: 2}}}",
      '5:66 error: spec.policies.retries.DefaultRetryPolicy.randomizationFactor "2" is no number from 0 to 1',
    ],
    [
      "policies: {retries: {DefaultRetryPolicy: {matching: {httpStatusCodes: '600'}}}}",
      "5:73 error: spec.policies.retries.DefaultRetryPolicy.matching.httpStatusCodes: 600 is no code: they go from 100 to 599",
    ],
    [
      "policies: {retries: {DefaultRetryPolicy: {matching: {gRPCStatusCodes: 8-4}}}}",
      '5:73 error: spec.policies.retries.DefaultRetryPolicy.matching.gRPCStatusCodes: "8-4" ends before it begins',
    ],
    [
      "policies: {retries: {DefaultRetryPolicy: {matching: {gRPCStatusCodes: UNAVAILABLE}}}}",
      '5:73 error: spec.policies.retries.DefaultRetryPolicy.matching.gRPCStatusCodes: "UNAVAILABLE" is neither a code such as 16 nor a range of them',
    ],
    [
      "policies: {retries: {DefaultRetryPolicy: 3}}",
      "5:24 error: spec.policies.retries.DefaultRetryPolicy must be a mapping, not a number",
    ],
    [
      "policies: {circuitBreakers: {DefaultCircuitBreakerPolicy: {trip: consecutiveFailure > 5}}}",
      '5:68 error: spec.policies.circuitBreakers.DefaultCircuitBreakerPolicy.trip knows no "consecutiveFailure", only requests, totalSuccesses, totalFailures, consecutiveSuccesses, consecutiveFailures; did you mean "consecutiveFailures"?',
    ],
    [
      "policies: {circuitBreakers: {DefaultCircuitBreakerPolicy: {trip: requests > 5 && totalFailures = 5}}}",
      "5:98 error: spec.policies.circuitBreakers.DefaultCircuitBreakerPolicy.trip is no expression of CEL that works: unexpected character: =",
    ],
    [
      "policies: {circuitBreakers: {DefaultCircuitBreakerPolicy: {trip: consecutiveFailures}}}",
      '5:68 error: spec.policies.circuitBreakers.DefaultCircuitBreakerPolicy.trip gives a number, not true or false, such as "consecutiveFailures > 5"',
    ],
    [
      "policies: {circuitBreakers: {DefaultCircuitBreakerPolicy: {trip: totalFailures * 1.0 > 2.0}}}",
      "error: spec.policies.circuitBreakers.DefaultCircuitBreakerPolicy.trip is no expression of CEL that works: no such overload: dyn<int> * double",
    ],
    [
      "policies: {circuitBreakers: {DefaultCircuitBreakerPolicy: {maxRequests: -1}}}",
      "5:75 error: spec.policies.circuitBreakers.DefaultCircuitBreakerPolicy.maxRequests must be from 1 to 1000000",
    ],
    [
      "policies: {retries: {slow: {}}}\ntargets: {components: {orders: {outbound: {retry: slwo}}}}",
      '6:53 error: no retry is called "slwo" under spec.policies.retries; the component\'s own policy stays; did you mean "slow"?',
    ],
    [
      "policies: {retries: {r: {}}}\ntargets: {components: {order: {outbound: {retry: r}}}}",
      '6:26 warning: no component is called "order"; did you mean "orders"?',
    ],
    [
      "policies: {retries: {r: {}}}\ntargets: {components: {orders: {retry: r}}}",
      "6:35 warning: spec.targets.components.orders.retry is not known and is ignored; it belongs under inbound or outbound",
    ],
    [
      "policies: {retries: {r: {}}}\ntargets: {components: {orders: {outbound: {retri: r}}}}",
      '6:46 warning: spec.targets.components.orders.outbound.retri is not known and is ignored; did you mean "retry"?',
    ],
    [
      "policies: {retries: {r: {}}}",
      '5:24 warning: retry "r" is used by no target, and is no name of a default policy',
    ],
    [
      "policies: {retries: {DefaultBindingComponentOutbondRetryPolicy: {}}}",
      'did you mean "DefaultBindingComponentOutboundRetryPolicy"?',
    ],
    ["targets: {apps: {a: {retry: gone}}}", '5:31 error: no retry is called "gone"'],
    [
      "retries: {}",
      "5:3 warning: spec.retries is not known and is ignored; it belongs under spec.policies",
    ],
    ["policies: []", "5:3 error: spec.policies must be a mapping, not a list"],
  ])("%s", async (spec, finding) => {
    expect((await findings(resiliency(spec))).join("\n")).toContain(finding);
  });

  test("a policy with an error is left out, alone, and is reported once", async () => {
    const path = folder({
      "a.yaml": resiliency(
        "policies:\n  retries: {bad: {policy: sometimes}, good: {}}\ntargets:\n  components:\n    orders: {inbound: {retry: good}, outbound: {retry: bad}}",
      ),
      "b.yaml": orders,
    });
    const { resiliency: read, problems } = await load(path);
    expect([...read!.retries.keys()]).toEqual(["good"]);
    expect(read!.components.get("orders")).toMatchObject({
      inbound: { retry: "good" },
      outbound: { retry: undefined },
    });
    expect(brief(problems, path)).toEqual([
      "a.yaml:6:29 error: spec.policies.retries.bad.policy must be constant or exponential",
    ]);
  });

  test("a way that the component does not have", async () => {
    const spec =
      "policies: {retries: {r: {}}}\ntargets: {components: {store: {inbound: {retry: r}}}}";
    const store = component("store", "bindings.redis", "- {name: redisHost, value: h}");
    const path = folder({ "a.yaml": resiliency(spec), "b.yaml": store });
    expect(brief(await check(path), path)).toEqual([
      "a.yaml:6:34 warning: inbound has no effect: bindings.redis is no input",
    ]);
  });

  test("a component of another app's scope is one all the same", async () => {
    const spec =
      "policies: {retries: {r: {}}}\ntargets: {components: {orders: {inbound: {retry: r}}}}";
    const path = folder({ "a.yaml": resiliency(spec), "b.yaml": `${orders}scopes: [other]\n` });
    expect(brief(await check(path), path)).toEqual([]);
  });
});

test("what is nearly a Resiliency is told", async () => {
  const documents = [
    "apiVersion: dapr.io/v1alpha1\nkind: Resilience",
    "apiVersion: dapr.io/v1alpha2\nkind: Resiliency",
    "kind: Resiliency",
  ];
  const path = folder({ "a.yaml": documents.join("\n---\n") });
  expect(brief(await check(path), path)).toEqual([
    'a.yaml:2:7 warning: kind "Resilience" is not known and is ignored; did you mean "Resiliency"?',
    'a.yaml:4:13 warning: this Resiliency is ignored: its apiVersion is "dapr.io/v1alpha2"; did you mean "dapr.io/v1alpha1"?',
    'a.yaml:7:7 warning: this Resiliency is ignored: it has no apiVersion; add "apiVersion: dapr.io/v1alpha1"',
  ]);
});
