import { expect, test } from "vitest";
import type { LeaseGrant, LeaseStore } from "../../../src/store/leases.ts";
import { until } from "../../until.ts";
import { withEngines } from "../engines.ts";

const long = 60_000;

async function granted(
  leases: LeaseStore,
  name: string,
  replica: string,
  ttl = long,
): Promise<LeaseGrant> {
  const attempt = await leases.acquire(name, replica, ttl);
  if (attempt.state === "held") throw new Error(`${name} is held by ${attempt.holder?.replica}`);
  return attempt.grant;
}

withEngines((engine) => {
  test("one replica has a lease, until it gives it up; each take-over has a higher epoch", async () => {
    const { leases } = engine.open(engine.place());
    const first = await granted(leases, "tick\n*.>", "a");
    expect(first).toMatchObject({ name: "tick\n*.>", holder: { replica: "a" } });
    expect(await leases.acquire("tick\n*.>", "b", long)).toEqual({
      state: "held",
      holder: first.holder,
    });
    await granted(leases, "other", "b");
    const renewed = await leases.renew(first, long);
    expect(renewed).toMatchObject({ epoch: first.epoch, holder: first.holder });
    expect(renewed.revision).toBeGreaterThan(first.revision);
    expect(renewed.storeTime).toBeGreaterThanOrEqual(first.storeTime);
    await leases.release(renewed);
    const second = await granted(leases, "tick\n*.>", "b");
    expect(second.epoch).toBeGreaterThan(first.epoch);
    await expect(leases.renew(renewed, long)).rejects.toMatchObject({ reason: "aborted" });
    // What is another's is not given up.
    await leases.release(renewed);
    expect((await leases.acquire("tick\n*.>", "a", long)).state).toBe("held");
  });

  test("a lease runs out, and its renewal is refused for good", async () => {
    const { leases } = engine.open(engine.place());
    const first = await granted(leases, "tick", "a", 1000);
    const taken = async (): Promise<boolean> =>
      (await leases.acquire("tick", "b", long)).state === "granted";
    await until(taken, { what: "the lease to run out" });
    await expect(leases.renew(first, long)).rejects.toMatchObject({ reason: "aborted" });
  });

  test("a replica takes over what an earlier process of it has", async () => {
    const { leases } = engine.open(engine.place());
    const first = await granted(leases, "tick", "a");
    const second = await granted(leases, "tick", "a");
    expect(second.epoch).toBeGreaterThan(first.epoch);
    await expect(leases.renew(first, long)).rejects.toMatchObject({ reason: "aborted" });
  });

  test("whoever watches is told of what is there, and of each change, until it is enough", async () => {
    const { leases } = engine.open(engine.place());
    await granted(leases, "tick", "a");
    const seen = new Map<string, string | undefined>();
    const stop = leases.watch((name, holder) => seen.set(name, holder?.replica));
    await until(() => seen.get("tick") === "a", { what: "what is there" });
    const other = await granted(leases, "other", "b");
    await until(() => seen.get("other") === "b", { what: "a lease that is taken" });
    await leases.release(other);
    await until(() => seen.get("other") === undefined, { what: "a lease that is given up" });
    stop();
    await granted(leases, "third", "a");
    await granted(leases, "other", "c");
    expect([...seen.keys()].sort()).toEqual(["other", "tick"]);
  });

  test("a request for a lease is told to all, once at a time, and goes by itself", async () => {
    const place = engine.place();
    const [owner, other] = [engine.open(place).leases, engine.open(place).leases];
    const { handOvers } = other;
    // One process has the store alone.
    if (owner.handOvers === undefined || handOvers === undefined) return;
    await granted(owner, "tick\n*.>", "a");
    const [leases, told] = [new Map<string, string | undefined>(), [] as string[]];
    const stops = [
      owner.watch((name, holder) => leases.set(name, holder?.replica)),
      owner.handOvers.watch(({ name, owner: from, successor }, isThere) =>
        told.push(`${JSON.stringify(name)} ${from} ${successor} ${isThere}`),
      ),
    ];
    const request = { name: "tick\n*.>", owner: "a", successor: "b" };
    expect(await handOvers.request(request, 1_000)).toBe(true);
    expect(await handOvers.request({ ...request, successor: "c" }, 1_000)).toBe(false);
    const text = String.raw`"tick\n*.>" a b`;
    await until(() => told.includes(`${text} false`), { what: "the request to go" });
    expect(told).toEqual([`${text} true`, `${text} false`]);
    expect(await handOvers.request(request, 1_000)).toBe(true);
    // It changes nothing of the lease.
    expect([...leases]).toEqual([["tick\n*.>", "a"]]);
    for (const stop of stops) stop();
  });
});
