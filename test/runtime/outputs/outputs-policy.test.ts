import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { defineBinding } from "../../../src/binding.ts";
import { BindingError, type Effect, type Reason } from "../../../src/errors.ts";
import { compilePolicies } from "../../../src/policy/policies.ts";
import type { CircuitBreakerRule, Resiliency, RetryRule } from "../../../src/policy/resiliency.ts";
import { silentObserver, type Observer } from "../../../src/runtime/observer.ts";
import { component, FakeSystem, startRuntime } from "../fake-binding.ts";
import { settled } from "../source-event.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

type Given = {
  timeout?: number;
  retry?: Partial<RetryRule>;
  breaker?: Partial<CircuitBreakerRule>;
};

const constant: RetryRule = { attempts: 4, initial: 100, max: 100, multiplier: 1, jitter: 0 };

/** What a Resiliency with a policy of each kind that is given says for every output. */
function resiliency({ timeout, retry, breaker }: Given): Resiliency {
  const rule = <Value>(name: string, value: Value | undefined) =>
    new Map(
      value === undefined ? [] : [[name, { name, value, resource: "shop", origin: undefined }]],
    );
  return {
    timeouts: rule("DefaultTimeoutPolicy", timeout),
    retries: rule("DefaultRetryPolicy", retry && { ...constant, ...retry }),
    circuitBreakers: rule(
      "DefaultCircuitBreakerPolicy",
      breaker && { maxRequests: 1, interval: 0, timeout: 10_000, trip: undefined, ...breaker },
    ),
    components: new Map(),
  };
}

async function start(given: Given) {
  const system = new FakeSystem();
  const invoked: (string | undefined)[] = [];
  const observer: Observer = {
    ...silentObserver,
    invoked: (_name, _operation, error) => void invoked.push(error?.reason),
  };
  const started = startRuntime({ bindings: [system.binding("fake")], observer });
  const apply = async (next: Given): Promise<void> =>
    started.runtime.applyPolicies(await compilePolicies(resiliency(next)));
  await apply(given);
  await started.runtime.apply([component("fake")]);
  /** Invokes, lets all pauses pass, and gives the failure or the answer. */
  const run = async (operation = "create"): Promise<unknown> => {
    const done = started.invoke("orders", operation).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(600_000);
    return done;
  };
  return { ...started, system, invoked, run, apply };
}

type Failure = { times?: number; reason?: Reason; systemCode?: string };

function failing(system: FakeSystem, effect: Effect, failure: Failure = {}): void {
  const { times = Infinity, reason = "unavailable", systemCode } = failure;
  system.invoke = async () => {
    if (system.calls.length > times) return "ok";
    throw new BindingError(reason, "down", { effect, systemCode });
  };
}

const http = [{ from: 500, to: 599 }];
const grpc = [{ from: 14, to: 14 }];

/** With which failure a retry that somebody asked for goes on, by its `matching`. */
const failures = [
  [{}, { effect: "unsent" }, true],
  [{}, { effect: "ambiguous" }, true],
  [{}, { effect: "rejected" }, false],
  [{ http }, { effect: "rejected", systemCode: "503" }, true],
  [{ http }, { effect: "ambiguous", systemCode: "404" }, false],
  [{ http }, { effect: "unsent", systemCode: "429" }, false],
  [{ http }, { effect: "ambiguous" }, true],
  [{ http }, { effect: "rejected" }, false],
  [{ grpc }, { effect: "rejected", reason: "unavailable" }, true],
  [{ grpc }, { effect: "unsent", reason: "internal" }, false],
  [{ grpc }, { effect: "ambiguous", reason: "internal" }, false],
  [{ http, grpc }, { effect: "rejected", reason: "unavailable", systemCode: "404" }, false],
  [{ http, grpc }, { effect: "rejected", reason: "unavailable" }, true],
] as const;

const guards: readonly Given[] = [
  {},
  { timeout: 1000 },
  { breaker: { trip: "false" } },
  { timeout: 1000, breaker: { trip: "false" } },
];

describe.each(guards)("with %j", (guard) => {
  describe.each([1, 2, 3, 5])("a retry of %i attempts", (attempts) => {
    test.each(failures)(
      "matching %j, failure %j: repeated is %s",
      async (matching, failure, repeated) => {
        const { system, invoked, run } = await start({ ...guard, retry: { attempts, matching } });
        const { effect, ...rest } = failure;
        failing(system, effect, rest);
        for (const operation of ["create", "set"]) {
          system.calls.length = 0;
          expect(await run(operation)).toMatchObject({ message: "down", effect });
          expect(system.calls).toHaveLength(repeated ? attempts : 1);
        }
        expect(invoked).toHaveLength(2);
      },
    );

    test.each([1, 2, 4])("a success after %i failures ends it", async (times) => {
      const { system, run } = await start({ ...guard, retry: { attempts } });
      failing(system, "ambiguous", { times });
      const answer = await run();
      if (times < attempts) expect(answer).toBe("ok");
      else expect(answer).toMatchObject({ message: "down" });
      expect(system.calls).toHaveLength(Math.min(attempts, times + 1));
    });
  });

  test.each([
    ["create", "unsent", 3],
    ["create", "ambiguous", 1],
    ["create", "rejected", 1],
    ["set", "unsent", 3],
    ["set", "ambiguous", 3],
    ["set", "rejected", 1],
  ] as const)(
    "without a retry %s that failed %s is tried %i times",
    async (operation, effect, times) => {
      const { system, run } = await start(guard);
      failing(system, effect);
      expect(await run(operation)).toMatchObject({ effect });
      expect(system.calls).toHaveLength(times);
    },
  );

  test("a retry without end goes on until the caller cancels", async () => {
    const { system, invoke } = await start({ ...guard, retry: { attempts: Infinity } });
    failing(system, "ambiguous");
    const caller = new AbortController();
    const answer = expect(
      invoke("orders", "create", "", { signal: caller.signal }),
    ).rejects.toThrow("down");
    await vi.advanceTimersByTimeAsync(99_950);
    caller.abort();
    await answer;
    expect(system.calls).toHaveLength(1000);
  });
});

test("pauses are as the retry says, constant or growing to its longest", async () => {
  for (const [retry, expected] of [
    [{ attempts: 5, initial: 200, max: 200 }, [0, 200, 400, 600, 800]],
    [{ attempts: 6, initial: 500, max: 1500, multiplier: 1.5 }, [0, 500, 1250, 2375, 3875, 5375]],
  ] as const) {
    const { system, run } = await start({ retry });
    const began = performance.now();
    const at: number[] = [];
    system.invoke = async () => {
      at.push(Math.round(performance.now() - began));
      throw new BindingError("unavailable", "down", { effect: "ambiguous" });
    };
    await run();
    expect(at).toEqual(expected);
  }
});

test("a pause is no shorter than the system asks for, and one that asks for more than a minute is not waited for", async () => {
  const { system, run, status } = await start({ retry: { attempts: 3 } });
  const began = performance.now();
  const at: number[] = [];
  const asked = [50, 5000];
  system.invoke = async () => {
    at.push(Math.round(performance.now() - began));
    const retryAfter = asked[at.length - 1];
    throw new BindingError("unavailable", "down", { effect: "unsent", retryAfter });
  };
  await run();
  expect(at).toEqual([0, 100, 5100]);
  asked.splice(0, 2);
  asked[3] = 90_000;
  expect(await run()).toMatchObject({
    ...{ retryAfter: 90_000, effect: "unsent" },
    message: "down; not tried again: the system asks to be left alone for 1m30s",
  });
  expect(at).toHaveLength(4);
  expect(status().calls).toMatchObject({ inFlight: 0, invocations: 2, failures: 2 });
});

test("what runs and what has ended is counted on when a changed component follows", async () => {
  const { system, invoke, runtime, status } = await start({});
  const gate = Promise.withResolvers<string>();
  system.invoke = () => gate.promise;
  const before = invoke("orders");
  await settled();
  expect(status().calls).toMatchObject({ inFlight: 1, invocations: 0, failures: 0 });
  await runtime.apply([component("fake", { backOffMaxRetries: "0" })]);
  const after = invoke("orders");
  await settled();
  expect(status().calls).toMatchObject({ inFlight: 2, invocations: 0, failures: 0 });
  gate.resolve("ok");
  await Promise.all([before, after]);
  expect(status().calls).toMatchObject({ inFlight: 0, invocations: 2, failures: 0 });
});

test("a stray exception is repeated where somebody asked for a retry", async () => {
  const { system, run } = await start({ retry: { attempts: 3 } });
  system.invoke = () => Promise.reject(new TypeError("boom"));
  expect(await run()).toMatchObject({ reason: "internal", message: "boom" });
  expect(system.calls).toHaveLength(3);
});

describe("effects", () => {
  test("an earlier attempt that may have had one is told of, whatever the last says", async () => {
    const { system, run } = await start({ retry: { attempts: 2 } });
    system.invoke = async () => {
      const effect = system.calls.length === 1 ? "ambiguous" : "rejected";
      throw new BindingError("already_exists", "no", {
        ...{ effect, systemCode: "409", metadata: { a: "b" } },
      });
    };
    expect(await run()).toMatchObject({
      ...{ message: "no", reason: "already_exists", effect: "ambiguous" },
      ...{ systemCode: "409", metadata: { a: "b" } },
    });
    expect(system.calls).toHaveLength(2);
  });

  test("of an idempotent operation without a retry too", async () => {
    const { system, run } = await start({});
    system.invoke = async () => {
      const effect = system.calls.length === 1 ? "ambiguous" : "unsent";
      throw new BindingError("unavailable", "no", { effect });
    };
    expect(await run("set")).toMatchObject({ effect: "ambiguous" });
  });
});

describe("timeouts", () => {
  test("each attempt has its own, and a driver that does not look is not waited for", async () => {
    const { system, run, invoked } = await start({ timeout: 1000, retry: { attempts: 3 } });
    const began = performance.now();
    const at: number[] = [];
    system.invoke = () => {
      at.push(performance.now() - began);
      return new Promise(() => undefined);
    };
    expect(await run()).toMatchObject({
      reason: "deadline_exceeded",
      effect: "ambiguous",
      message:
        "binding orders did not answer within 1s, its timeout (DefaultTimeoutPolicy of Resiliency shop)",
    });
    expect(at).toEqual([0, 1100, 2200]);
    expect(invoked).toEqual(["deadline_exceeded"]);
  });

  test("the driver's signal is aborted, with the reason", async () => {
    const { system, run } = await start({ timeout: 1000 });
    system.invoke = ({ signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(new Error("interrupted")));
      });
    expect(await run()).toMatchObject({ reason: "deadline_exceeded" });
    expect(system.calls[0]?.signal.reason).toMatchObject({ reason: "deadline_exceeded" });
  });

  test("one that answers in time leaves no timer, and its late failure is nobody's", async () => {
    const { system, run, invoke } = await start({ timeout: 1000 });
    expect(await invoke("orders")).toBeUndefined();
    expect(vi.getTimerCount()).toBe(0);
    const late = Promise.withResolvers<string>();
    system.invoke = () => late.promise;
    expect(await run()).toMatchObject({ reason: "deadline_exceeded" });
    late.reject(new Error("late"));
    await settled();
  });

  test("the caller's own end still reaches the driver", async () => {
    const { system, invoke } = await start({ timeout: 1000 });
    const caller = new AbortController();
    system.invoke = ({ signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason as Error));
      });
    const answer = invoke("orders", "create", "", { signal: caller.signal });
    caller.abort(new BindingError("cancelled", "gone"));
    await expect(answer).rejects.toThrow("gone");
  });

  test("a component that is not connected was not sent anything", async () => {
    const { system, run } = await start({ timeout: 1000 });
    system.open = () => new Promise(() => undefined);
    system.opening.lost(new Error("reset"));
    await settled();
    expect(await run()).toMatchObject({
      ...{ reason: "deadline_exceeded", effect: "unsent" },
      message: expect.stringMatching(/^component orders was not connected within 1s/) as string,
    });
    expect(system.calls).toHaveLength(0);
  });
});

describe("breakers", () => {
  const breaker = { trip: "consecutiveFailures >= 3" };

  test("an open one refuses without touching the system, and says when it tries again", async () => {
    const { system, invoke, lines } = await start({ breaker });
    failing(system, "ambiguous");
    for (let time = 0; time < 3; time++) await expect(invoke("orders")).rejects.toThrow("down");
    await vi.advanceTimersByTimeAsync(2500);
    await expect(invoke("orders")).rejects.toMatchObject({
      ...{ reason: "unavailable", effect: "unsent", retryAfter: 7500 },
      message:
        "circuit breaker DefaultCircuitBreakerPolicy of binding orders is open, and lets calls through again in 7.5s",
    });
    expect(system.calls).toHaveLength(3);
    expect(lines.map(({ message }) => message)).toContain(
      "circuit breaker opened; nothing goes through",
    );
    system.invoke = async () => "ok";
    await vi.advanceTimersByTimeAsync(7500);
    expect(await invoke("orders")).toBe("ok");
    expect(await invoke("orders")).toBe("ok");
  });

  test("one that opens in the midst of a retry ends it, with the failure that there was", async () => {
    const { system, run } = await start({ breaker, retry: { attempts: 10 } });
    failing(system, "ambiguous");
    expect(await run()).toMatchObject({
      ...{ reason: "unavailable", effect: "ambiguous" },
      message: expect.stringMatching(
        /^down; not tried again: circuit breaker .* is open, and lets calls through again in 9.9s$/,
      ) as string,
    });
    expect(system.calls).toHaveLength(3);
  });

  test("while half-open the calls beyond those that try are refused", async () => {
    const { system, invoke } = await start({ breaker });
    failing(system, "ambiguous");
    for (let time = 0; time < 3; time++) await expect(invoke("orders")).rejects.toThrow("down");
    await vi.advanceTimersByTimeAsync(10_000);
    const { promise, resolve } = Promise.withResolvers<string>();
    system.invoke = () => promise;
    const first = invoke("orders");
    await expect(invoke("orders")).rejects.toMatchObject({
      ...{ retryAfter: undefined, effect: "unsent" },
      message: expect.stringContaining("is half-open") as string,
    });
    resolve("ok");
    expect(await first).toBe("ok");
    await settled();
    expect(await invoke("orders")).toBe("ok");
  });

  test.each([
    ["rejected", "not_found", false],
    ["rejected", "invalid_argument", false],
    ["rejected", "unimplemented", false],
    ["rejected", "unavailable", true],
    ["rejected", "resource_exhausted", true],
    ["rejected", "internal", true],
    ["unsent", "unavailable", true],
    ["ambiguous", "aborted", true],
  ] as const)("what was %s as %s opens it: %s", async (effect, reason, opens) => {
    const { system, invoke } = await start({ breaker, retry: { attempts: 1 } });
    failing(system, effect, { reason });
    for (let time = 0; time < 3; time++) await expect(invoke("orders")).rejects.toThrow("down");
    await expect(invoke("orders")).rejects.toThrow(opens ? "circuit breaker" : "down");
  });

  test("a caller who cancels says nothing of the system", async () => {
    const { system, invoke } = await start({ breaker });
    system.invoke = ({ signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () =>
          reject(new BindingError("cancelled", "gone", { effect: "ambiguous" })),
        );
      });
    for (let time = 0; time < 5; time++) {
      const caller = new AbortController();
      const answer = invoke("orders", "create", "", { signal: caller.signal });
      await settled();
      caller.abort();
      await expect(answer).rejects.toThrow("gone");
    }
  });

  test("time-outs open it, and a component that is not connected", async () => {
    const { system, run, invoke } = await start({ breaker, timeout: 1000 });
    system.invoke = () => new Promise(() => undefined);
    for (let time = 0; time < 2; time++) {
      const answer = expect(invoke("orders")).rejects.toThrow("did not answer");
      await vi.advanceTimersByTimeAsync(1000);
      await answer;
    }
    system.open = () => new Promise(() => undefined);
    system.opening.lost(new Error("reset"));
    await settled();
    const answer = expect(invoke("orders")).rejects.toThrow("was not connected");
    await vi.advanceTimersByTimeAsync(1000);
    await answer;
    await expect(invoke("orders")).rejects.toThrow("circuit breaker");
    expect(await run()).toMatchObject({
      message: expect.stringContaining("circuit breaker") as string,
    });
  });
});

test("a changed Resiliency counts for the next attempt, and for one that waits", async () => {
  const { system, run, invoke, apply, runtime } = await start({ retry: { attempts: 2 } });
  failing(system, "ambiguous");
  await run();
  expect(system.calls).toHaveLength(2);
  await apply({ retry: { attempts: 5 } });
  system.calls.length = 0;
  await run();
  expect(system.calls).toHaveLength(5);
  system.calls.length = 0;
  await apply({ retry: { attempts: 50, initial: 1000, max: 1000 } });
  const answer = expect(invoke("orders")).rejects.toThrow("down");
  await vi.advanceTimersByTimeAsync(2500);
  expect(system.calls).toHaveLength(3);
  runtime.applyPolicies(undefined);
  await vi.advanceTimersByTimeAsync(600_000);
  await answer;
  expect(system.calls).toHaveLength(4);
  expect(system.log).toEqual(["open 1"]);
});

describe("in parts", () => {
  async function startParts(
    given: Given,
    invokeStream: (call: { body: AsyncIterable<Uint8Array> }) => Promise<void>,
  ) {
    let calls = 0;
    const binding = defineBinding({
      ...{ name: "parts", status: "alpha", summary: "In the test.", metadata: {} },
      open: () => ({ async [Symbol.asyncDispose]() {} }),
      operations: {
        create: {
          ...{ description: "Creates.", request: {}, invoke: async () => undefined },
          invokeStream: (_: AsyncDisposable, call: { body: AsyncIterable<Uint8Array> }) => {
            calls++;
            return invokeStream(call);
          },
        },
      },
    });
    const { runtime } = startRuntime({ bindings: [binding] });
    runtime.applyPolicies(await compilePolicies(resiliency(given)));
    await runtime.apply([component("parts")]);
    const body = {
      begun: false,
      async *[Symbol.asyncIterator]() {
        body.begun = true;
        yield Buffer.from("one");
      },
    };
    const { signal } = new AbortController();
    const done = runtime
      .invokeStream({ name: "orders", operation: "create", metadata: {}, body, signal })
      .catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(600_000);
    return { failure: await done, calls };
  }

  const down = () =>
    Promise.reject(new BindingError("unavailable", "down", { effect: "ambiguous" }));

  test.each([1, 2, 4])("%i attempts, while nothing of the payload was taken", async (attempts) => {
    const { calls, failure } = await startParts({ retry: { attempts } }, down);
    expect(failure).toMatchObject({ message: "down" });
    expect(calls).toBe(attempts);
  });

  test("one attempt, once a part was taken", async () => {
    const { calls } = await startParts({ retry: { attempts: 4 } }, async ({ body }) => {
      for await (const part of body) expect(part).toHaveLength(3);
      return down();
    });
    expect(calls).toBe(1);
  });

  test("a timeout for the time until the answer begins", async () => {
    const { calls, failure } = await startParts(
      { timeout: 1000, retry: { attempts: 2 } },
      () => new Promise(() => undefined),
    );
    expect(failure).toMatchObject({ reason: "deadline_exceeded", effect: "ambiguous" });
    expect(calls).toBe(2);
  });

  test("a breaker", async () => {
    const { calls, failure } = await startParts(
      { breaker: { trip: "totalFailures >= 2" }, retry: { attempts: 5 } },
      down,
    );
    expect(failure).toMatchObject({
      message: expect.stringContaining("not tried again: circuit breaker") as string,
    });
    expect(calls).toBe(2);
  });
});
