import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { CircuitBreaker, type CircuitBreakerOptions } from "../../src/policy/circuit-breaker.ts";
import type { Permit } from "../../src/policy/policy.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function make(options: Partial<CircuitBreakerOptions> = {}) {
  const states: string[] = [];
  const passed = vi.fn<() => void>();
  const breaker = new CircuitBreaker({
    name: "simple",
    maxRequests: 1,
    interval: 0,
    timeout: 10_000,
    trip: ({ consecutiveFailures }) => consecutiveFailures > 2,
    onState: (state, { requests, totalFailures }) =>
      states.push(`${state} ${totalFailures}/${requests}`),
    ...options,
  });
  breaker.onPass(passed);
  const call = async (succeeded: boolean | undefined): Promise<boolean> => {
    const pass = breaker.enter();
    if (pass === undefined) return false;
    breaker.done(pass, succeeded);
    await vi.advanceTimersByTimeAsync(0);
    return true;
  };
  const fail = async (times: number): Promise<void> => {
    for (let time = 0; time < times; time++) expect(await call(false)).toBe(true);
  };
  return { breaker, states, passed, call, fail };
}

test("it opens when trip says so, after its time tries one call, and closes when that succeeds", async () => {
  const { breaker, states, passed, call, fail } = make();
  await fail(2);
  await call(true);
  await fail(3);
  expect(breaker.state).toBe("open");
  expect(breaker.passesIn).toBe(10_000);
  expect(await call(true)).toBe(false);
  await vi.advanceTimersByTimeAsync(9_999);
  expect(breaker.passesIn).toBe(1);
  expect(await call(true)).toBe(false);
  expect(passed).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1);
  expect(passed).toHaveBeenCalledOnce();
  expect(breaker.state).toBe("half-open");
  expect(await call(true)).toBe(true);
  expect(breaker.state).toBe("closed");
  expect(passed).toHaveBeenCalledTimes(2);
  expect(states).toEqual(["open 5/6", "half-open 0/0", "closed 0/0"]);
  await fail(2);
  expect(breaker.state).toBe("closed");
});

test("a failure while half-open opens it for its whole time again", async () => {
  const { breaker, call, fail } = make();
  await fail(3);
  await vi.advanceTimersByTimeAsync(10_000);
  await fail(1);
  expect(breaker.state).toBe("open");
  expect(breaker.passesIn).toBe(10_000);
  await vi.advanceTimersByTimeAsync(9_999);
  expect(await call(true)).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  expect(await call(true)).toBe(true);
  expect(breaker.state).toBe("closed");
});

test("it is open before the failing call's caller can try again", async () => {
  const { breaker, fail } = make();
  await fail(2);
  const pass = breaker.enter();
  breaker.done(pass!, false);
  expect(breaker.enter()).toBeUndefined();
  expect([breaker.state, breaker.passesIn]).toEqual(["open", 10_000]);
});

test("while half-open maxRequests go through, and all of them must succeed", async () => {
  const { breaker, fail, call } = make({ maxRequests: 3 });
  await fail(3);
  await vi.advanceTimersByTimeAsync(10_000);
  const passes = [breaker.enter(), breaker.enter(), breaker.enter()];
  expect(passes).not.toContain(undefined);
  expect(breaker.enter()).toBeUndefined();
  for (const pass of passes.slice(1)) breaker.done(pass!, true);
  await vi.advanceTimersByTimeAsync(0);
  expect(breaker.state).toBe("half-open");
  expect(await call(true)).toBe(false);
  breaker.done(passes[0]!, true);
  await vi.advanceTimersByTimeAsync(0);
  expect(breaker.state).toBe("closed");
});

test("one failure of several while half-open opens it, and what ends later says nothing", async () => {
  const { breaker, fail } = make({ maxRequests: 3 });
  await fail(3);
  await vi.advanceTimersByTimeAsync(10_000);
  const passes = [breaker.enter()!, breaker.enter()!];
  breaker.done(passes[0]!, false);
  await vi.advanceTimersByTimeAsync(0);
  expect(breaker.state).toBe("open");
  await vi.advanceTimersByTimeAsync(10_000);
  breaker.done(passes[1]!, false);
  await vi.advanceTimersByTimeAsync(0);
  expect(breaker.state).toBe("half-open");
});

test("a call from before it opened is no probe", async () => {
  const { breaker, fail } = make();
  const before = [breaker.enter()!, breaker.enter()!];
  await fail(3);
  await vi.advanceTimersByTimeAsync(10_000);
  const probe = breaker.enter()!;
  breaker.done(before[0]!, true);
  await vi.advanceTimersByTimeAsync(0);
  expect(breaker.state).toBe("half-open");
  breaker.done(before[1]!, false);
  await vi.advanceTimersByTimeAsync(0);
  expect(breaker.state).toBe("half-open");
  breaker.done(probe, true);
  await vi.advanceTimersByTimeAsync(0);
  expect(breaker.state).toBe("closed");
});

test("a call that says nothing counts for nothing, and gives its place while half-open to another", async () => {
  const seen: number[] = [];
  const { breaker, passed, call, fail } = make({
    trip: ({ requests, consecutiveFailures }) => {
      seen.push(requests);
      return consecutiveFailures > 2;
    },
  });
  await call(undefined);
  await fail(2);
  await call(undefined);
  await fail(1);
  expect(seen).toEqual([1, 2, 3]);
  expect(breaker.state).toBe("open");
  await vi.advanceTimersByTimeAsync(10_000);
  const probe = breaker.enter();
  expect(breaker.enter()).toBeUndefined();
  passed.mockClear();
  breaker.done(probe!, undefined);
  expect(passed).toHaveBeenCalledOnce();
  expect(breaker.state).toBe("half-open");
  expect(await call(true)).toBe(true);
  expect(breaker.state).toBe("closed");
});

test("the interval clears the counts of a closed one", async () => {
  const { breaker, fail } = make({ interval: 5000 });
  const old = breaker.enter()!;
  await fail(2);
  await vi.advanceTimersByTimeAsync(5001);
  breaker.done(old, false);
  await fail(2);
  expect(breaker.state).toBe("closed");
  await fail(1);
  expect(breaker.state).toBe("open");
});

test("a wall clock that is set back does not keep it open", async () => {
  const { breaker, call, fail } = make();
  await fail(3);
  vi.setSystemTime(Date.now() - 3_600_000);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(await call(true)).toBe(true);
  expect(breaker.state).toBe("closed");
});

/** Dapr's breaker, told in a few lines: what the real one is held against. */
class Model {
  state: "closed" | "open" | "half-open" = "closed";
  requests = 0;
  successes = 0;
  failures = 0;
  #expiry = Infinity;
  #generation = {};
  readonly #maxRequests: number;
  readonly #interval: number;
  readonly #timeout: number;

  constructor(maxRequests: number, interval: number, timeout: number) {
    [this.#maxRequests, this.#interval, this.#timeout] = [maxRequests, interval, timeout];
    this.#to("closed");
  }

  #to(state: Model["state"]): void {
    this.state = state;
    this.#generation = {};
    this.requests = this.successes = this.failures = 0;
    const now = performance.now();
    if (state === "open") this.#expiry = now + this.#timeout;
    else this.#expiry = state === "closed" && this.#interval > 0 ? now + this.#interval : Infinity;
  }

  #look(): void {
    const now = performance.now();
    if (this.state === "closed" && this.#expiry < now) this.#to("closed");
    // The moment itself belongs to the half-open state here.
    if (this.state === "open" && this.#expiry <= now) this.#to("half-open");
  }

  enter(): object | undefined {
    this.#look();
    if (this.state === "open") return undefined;
    if (this.state === "half-open" && this.requests >= this.#maxRequests) return undefined;
    this.requests++;
    return this.#generation;
  }

  done(generation: object, succeeded: boolean): void {
    this.#look();
    if (generation !== this.#generation) return;
    this.successes = succeeded ? this.successes + 1 : 0;
    this.failures = succeeded ? 0 : this.failures + 1;
    if (this.state === "half-open") {
      if (!succeeded) this.#to("open");
      else if (this.successes >= this.#maxRequests) this.#to("closed");
    } else if (!succeeded && this.failures > 2) this.#to("open");
  }
}

test.each([1, 2, 3, 4, 5, 6])("5,000 steps by chance as in Dapr's breaker (%i)", async (seed) => {
  let state = seed * 2_654_435_761;
  const random = (below: number): number => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return Math.floor((state / 2 ** 32) * below);
  };
  const maxRequests = 1 + (seed % 3);
  const interval = seed % 2 === 0 ? 0 : 700;
  const { breaker } = make({ maxRequests, interval, timeout: 1000 });
  const model = new Model(maxRequests, interval, 1000);
  const under: [Permit, object][] = [];
  let opened = 0;
  for (let step = 0; step < 5000; step++) {
    const what = random(10);
    if (what < 5) {
      const entered = [breaker.enter(), model.enter()] as const;
      expect(entered[0] === undefined).toBe(entered[1] === undefined);
      if (entered[0] !== undefined && entered[1] !== undefined)
        under.push([entered[0], entered[1]]);
    } else if (what < 9) {
      const [call] = under.splice(random(under.length), 1);
      if (call === undefined) continue;
      const succeeded = random(3) === 0;
      breaker.done(call[0], succeeded);
      model.done(call[1], succeeded);
    } else await vi.advanceTimersByTimeAsync(random(400));
    // oxlint-disable-next-line no-await-in-loop -- one step after another
    for (let turn = 0; turn < 8; turn++) await Promise.resolve();
    if (model.state === "open") opened++;
  }
  expect(opened).toBeGreaterThan(100);
});
