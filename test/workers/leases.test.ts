import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { LeaseTerm } from "../../src/fleet/lease-keeper.ts";
import type { LeasedOwnership } from "../../src/fleet/replica-fleet.ts";
import type { Ownership } from "../../src/runtime/ownership.ts";
import { RemoteFleet } from "../../src/workers/remote-fleet.ts";
import { WorkerLeases } from "../../src/workers/worker-leases.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** The process's lease of one component, which the test grants and takes. */
class Lease implements LeasedOwnership {
  term: LeaseTerm | undefined;
  released = 0;
  ended = 0;
  handsOverIn: number | undefined;
  readonly since = 5;
  readonly #changed = new Set<() => void>();
  readonly #renewed = new Set<() => void>();

  get held(): boolean {
    return this.term !== undefined;
  }

  get reads(): boolean {
    return this.term?.readsUntil !== undefined;
  }

  get reason(): string {
    return this.reads ? "" : "another replica reads it";
  }

  get epoch(): number | undefined {
    return this.term?.epoch;
  }

  get remaining(): number {
    return this.handsOverIn ?? 3_000;
  }

  readingEnded(): void {
    this.ended++;
  }

  /** Reads no more, and is renewed while what is under way ends. */
  handOver(within: number): void {
    this.handsOverIn = within;
    this.term = this.term && { ...this.term, readsUntil: undefined };
    for (const run of this.#changed) run();
  }

  now(): number {
    return 1_000;
  }

  onChange(run: () => void): () => void {
    this.#changed.add(run);
    return () => void this.#changed.delete(run);
  }

  onRenewal(run: () => void): () => void {
    this.#renewed.add(run);
    return () => void this.#renewed.delete(run);
  }

  async release(): Promise<void> {
    this.released++;
  }

  /** From now on held for three seconds, of which it reads two and a half. */
  grant(epoch: number): void {
    const isNew = this.term?.epoch !== epoch;
    const until = performance.now() + 3_000;
    this.term = {
      ...{ epoch, heldUntil: until, heldUntilTimeOfDay: Date.now() + 3_000 },
      readsUntil: until - 500,
    };
    for (const run of isNew ? this.#changed : this.#renewed) run();
  }

  lose(): void {
    this.term = undefined;
    for (const run of this.#changed) run();
  }
}

/** A worker beside its parent: what one tells the other arrives when the test says so, or at once. */
function open({ later = false } = {}) {
  const lease = new Lease();
  const leases = new WorkerLeases(() => lease);
  const held: (() => void)[] = [];
  const fleet = new RemoteFleet({
    ...{ replica: "a", singleton: true },
    own: (id, component, memory, movable) =>
      leases.own(0, id, component, memory, movable, (told) => {
        const tell = (): void => fleet.told(id, told);
        if (later) held.push(tell);
        else tell();
      }),
    readingEnded: (id) => leases.readingEnded(0, id),
    release: (id) => leases.release(0, id),
  });
  const arrive = (): void => {
    for (const tell of held.splice(0)) tell();
  };
  return { lease, leases, fleet, arrive };
}

/** What its user is told: whether it reads, after each change. */
function follow(ownership: Ownership): boolean[] {
  const told: boolean[] = [];
  ownership.onChange(() => told.push(ownership.reads));
  return told;
}

test("a worker reads while its process has the lease, and sees what is renewed without a message", () => {
  const { lease, fleet } = open();
  const ownership = fleet.own("orders");
  expect(ownership).toMatchObject({
    held: false,
    reads: false,
    reason: "another replica reads it",
  });
  const told = follow(ownership);
  lease.grant(7);
  expect(ownership).toMatchObject({ held: true, reads: true, reason: "", epoch: 7, since: 5 });
  expect(Math.abs(ownership.now() - 1_000)).toBeLessThanOrEqual(1);
  for (let renewals = 0; renewals < 5; renewals++) {
    vi.advanceTimersByTime(1_000);
    lease.grant(7);
  }
  expect(ownership.remaining).toBeGreaterThan(2_900);
  expect(Math.abs(ownership.now() - 1_000)).toBeLessThanOrEqual(1);
  expect(told).toEqual([true]);
  lease.lose();
  expect(ownership).toMatchObject({ held: false, reads: false, epoch: undefined });
  expect(told).toEqual([true, false]);
});

test("a parent that renews nothing: the reading ends before the lease does, and goes on once it is renewed", () => {
  const { lease, fleet } = open();
  const ownership = fleet.own("orders");
  const told = follow(ownership);
  lease.grant(1);
  vi.advanceTimersByTime(2_501);
  expect(ownership).toMatchObject({ held: true, reads: false });
  expect(ownership.reason).toContain("the main thread of the runtime has not renewed the lease");
  vi.advanceTimersByTime(500);
  expect(ownership.held).toBe(false);
  lease.grant(1);
  vi.advanceTimersByTime(100);
  expect(ownership).toMatchObject({ held: true, reads: true });
  expect(told).toEqual([true, false, true]);
});

test("a worker whose clock is set, or that was stopped, finds the lease over before a timer tells it", () => {
  const { lease, fleet } = open();
  const ownership = fleet.own("orders");
  const told = follow(ownership);
  lease.grant(1);
  vi.setSystemTime(Date.now() + 3_600_000);
  expect(ownership.held).toBe(false);
  expect(told).toEqual([true, false]);
});

test("of a lease that was lost and won again it knows nothing before it is told", () => {
  const { lease, fleet, arrive } = open({ later: true });
  const ownership = fleet.own("orders");
  lease.grant(1);
  arrive();
  expect(ownership.held).toBe(true);
  lease.lose();
  expect(ownership.held).toBe(false);
  lease.grant(2);
  expect(ownership.held).toBe(false);
  arrive();
  expect(ownership).toMatchObject({ held: true, epoch: 2 });
});

test("what was written by an earlier lease of the process is refused", () => {
  const { lease, leases, fleet, arrive } = open({ later: true });
  fleet.own("orders");
  expect(fleet.epochOf("orders")).toBeUndefined();
  lease.grant(1);
  arrive();
  const epoch = fleet.epochOf("orders") ?? 0;
  expect(() => leases.check(0, "orders", epoch)).not.toThrow();
  expect(() => leases.check(0, "others", epoch)).toThrow("fenced");
  lease.lose();
  expect(() => leases.check(0, "orders", epoch)).toThrow("fenced: this process has another lease");
  lease.grant(2);
  expect(() => leases.check(0, "orders", epoch)).toThrow("fenced");
  arrive();
  expect(() => leases.check(0, "orders", fleet.epochOf("orders") ?? 0)).not.toThrow();
});

test("a lease that is given up is held no more, and told of no more", async () => {
  const { lease, fleet } = open();
  const ownership = fleet.own("orders");
  const told = follow(ownership);
  lease.grant(1);
  await ownership.release();
  await ownership.release();
  expect(lease.released).toBe(1);
  lease.grant(2);
  vi.advanceTimersByTime(10_000);
  expect(ownership).toMatchObject({ held: false, reads: false });
  expect(told).toEqual([true]);
});

test("a lease that is handed over: the worker reads no more, has time for what it has, and says when that is done", () => {
  const { lease, fleet } = open();
  const ownership = fleet.own("orders", true);
  const told = follow(ownership);
  lease.grant(1);
  lease.handOver(30_000);
  expect(ownership).toMatchObject({ held: true, reads: false, epoch: 1 });
  expect(ownership.remaining).toBeGreaterThan(29_000);
  expect(told).toEqual([true, false]);
  ownership.readingEnded?.();
  expect(lease.ended).toBe(1);
});

test("what a worker had that has ended is kept for its replacement for ten seconds", async () => {
  const { lease, leases, fleet } = open();
  fleet.own("orders");
  lease.grant(1);
  leases.ended(0);
  vi.advanceTimersByTime(9_000);
  expect(lease.released).toBe(0);
  lease.grant(1);
  const next = fleet.own("orders");
  expect(next.reads).toBe(true);
  vi.advanceTimersByTime(2_000);
  expect(lease.released).toBe(1);
});

test("at the end of the process nothing is kept", async () => {
  const { lease, leases, fleet } = open();
  fleet.own("orders");
  leases.ended(0);
  await leases.close();
  expect(lease.released).toBe(1);
});
