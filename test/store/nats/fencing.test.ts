import { expect, test } from "vitest";
import type { Store } from "../../../src/store/store.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { until } from "../../until.ts";
import { natsEngine } from "../engines.ts";
import { attempt, deadLetter } from "../records.ts";

async function take(store: Store, replica: string, ttl = 60_000) {
  const taken = await store.leases.acquire("tick", replica, ttl);
  if (taken.state === "held") throw new Error(`held by ${taken.holder?.replica}`);
  return taken.grant;
}

describeWith("nats", ({ url }) => {
  const engine = natsEngine(url);

  /** Two replicas: the first has lost its lease to the second, and does not know it. */
  async function overtaken() {
    const place = engine.place();
    const [first, second] = [engine.open(place), engine.open(place)];
    const grant = await take(first, "a", 1000);
    await first.checkpoints.put("tick", "", { fingerprint: "f", position: "1" });
    await until(
      async () => (await second.leases.acquire("tick", "b", 60_000)).state === "granted",
      { what: "the lease to run out" },
    );
    return { first, second, grant };
  }

  test("whoever was overtaken changes no record of the component, and is told by whom", async () => {
    const { first, second, grant } = await overtaken();
    const refused = {
      reason: "aborted",
      message: expect.stringContaining("fenced: tick is owned by replica b"),
    };
    const letter = deadLetter({ component: "tick" });
    await expect(
      first.checkpoints.put("tick", "", { fingerprint: "f", position: "2" }),
    ).rejects.toMatchObject(refused);
    await expect(first.attempts.begin("tick", attempt())).rejects.toMatchObject(refused);
    await expect(first.deadLetters.put(letter, "f")).rejects.toMatchObject(refused);
    await expect(first.leases.renew(grant, 1000)).rejects.toMatchObject({ reason: "aborted" });
    expect(await second.checkpoints.load("tick", "")).toMatchObject({ position: "1" });
    expect(await second.attempts.load("tick")).toEqual([]);
    expect(await second.deadLetters.totals()).toEqual([]);
    // Of another component it writes on; what the second writes holds.
    await first.checkpoints.put("tock", "", { fingerprint: "f", position: "2" });
    await second.checkpoints.put("tick", "", { fingerprint: "f", position: "3" });
    await second.deadLetters.put(letter, "f");
    expect(await first.checkpoints.load("tick", "")).toMatchObject({ position: "3" });
  });

  test("whoever has given its lease up, or gets it again, writes", async () => {
    const { first, second, grant } = await overtaken();
    const checkpoint = { fingerprint: "f", position: "4" };
    await expect(first.checkpoints.put("tick", "", checkpoint)).rejects.toThrow("fenced");
    await first.leases.release(grant);
    // As a replica that only delivers what another one reads.
    await first.checkpoints.put("tick", "", checkpoint);
    expect((await second.leases.acquire("tick", "c", 1000)).state).toBe("held");
    const again = await take(second, "b");
    await second.leases.release(again);
    await take(first, "a");
    await first.checkpoints.put("tick", "", { ...checkpoint, position: "5" });
    expect(await second.checkpoints.load("tick", "")).toMatchObject({ position: "5" });
  });

  test("many writes of an owner at one time are all there, and share batches", async () => {
    const place = engine.place();
    const store = engine.open(place);
    await take(store, "a");
    const identities = Array.from({ length: 300 }, (_, number) => `event ${number}`);
    await Promise.all([
      ...identities.map((identity) => store.attempts.begin("tick", attempt({ identity }))),
      ...identities
        .slice(0, 40)
        .map((identity) => store.deadLetters.put(deadLetter({ component: "tick", identity }), "f")),
    ]);
    const counts = await engine.open(place).attempts.load("tick");
    expect(counts).toHaveLength(300);
    expect(counts.filter(({ deadLettered }) => deadLettered)).toHaveLength(40);
    expect(await store.deadLetters.totals()).toMatchObject([{ count: 40 }]);
  });

  test("one of two who want a lease at one time gets it", async () => {
    const place = engine.place();
    const stores = Array.from({ length: 4 }, () => engine.open(place));
    const attempts = await Promise.all(
      stores.map((store, number) => store.leases.acquire("tick", `replica ${number}`, 60_000)),
    );
    expect(attempts.filter(({ state }) => state === "granted")).toHaveLength(1);
  });

  test("dead letters, pauses and claims of one replica are there for the other", async () => {
    const place = engine.place();
    const [first, second] = [engine.open(place), engine.open(place)];
    const letter = deadLetter({ identity: "a" });
    await second.deadLetters.totals();
    await first.deadLetters.put(letter, "f");
    expect((await second.deadLetters.get(letter.id))?.id).toBe(letter.id);
    // The same event, at the other one.
    expect(await second.deadLetters.put(deadLetter({ identity: "a" }), "f")).toBe(letter.id);
    expect((await first.deadLetters.get(letter.id))?.failed).toBe(2);
    expect(await first.deadLetters.remove([letter.id])).toBe(1);
    expect(await second.deadLetters.get(letter.id)).toBeUndefined();
    const pause = { by: "ada", reason: "", since: 1 };
    const seen: unknown[] = [];
    second.pauses.watch((component, change) => seen.push([component, change]));
    await first.pauses.put("orders", pause);
    expect(await second.pauses.load("orders")).toEqual(pause);
    await until(() => seen.length === 1, { what: "the pause" });
    expect(await first.claims.claim("mail", "k", "f", 60_000)).toEqual({ state: "claimed" });
    expect(await second.claims.claim("mail", "k", "f", 60_000)).toMatchObject({
      ...{ state: "busy", ours: false },
    });
  });
});
