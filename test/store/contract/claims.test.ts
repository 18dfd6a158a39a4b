import { expect, test } from "vitest";
import { until } from "../../until.ts";
import { withEngines } from "../engines.ts";

const hour = 3_600_000;

withEngines((engine) => {
  test("a key is claimed once, then busy, then done with its result, bytes or none", async () => {
    const place = engine.place();
    const store = engine.open(place);
    const before = Date.now();
    expect(await store.claims.claim("mail", "k", "print", hour)).toEqual({ state: "claimed" });
    const busy = await store.claims.claim("mail", "k", "another", hour);
    expect(busy).toEqual({
      state: "busy",
      since: expect.any(Number),
      ours: true,
      fingerprint: "print",
    });
    expect(busy).toSatisfy(
      ({ since }: { since: number }) => since >= before && since <= Date.now(),
    );
    expect(await store.claims.claim("sms", "k", "print", hour)).toEqual({ state: "claimed" });
    const slab = Buffer.from("before[result]after");
    await store.claims.complete("mail", "k", "print", slab.subarray(7, 13), hour);
    await store.claims.complete("sms", "k", "print", undefined, hour);
    await store.close();

    const later = engine.open(place);
    expect(await later.claims.claim("mail", "k", "x", hour)).toEqual({
      state: "done",
      result: new Uint8Array(Buffer.from("result")),
      fingerprint: "print",
    });
    const sms = { state: "done", result: undefined, fingerprint: "print" };
    expect(await later.claims.claim("sms", "k", "x", hour)).toEqual(sms);
  });

  test("many callers at one time: one of them has it", async () => {
    const store = engine.open(engine.place());
    const claims = await Promise.all(
      Array.from({ length: 50 }, () => store.claims.claim("mail", "k", "print", hour)),
    );
    expect(claims.map(({ state }) => state).sort()).toEqual([
      ...Array.from({ length: 49 }, () => "busy"),
      "claimed",
    ]);
  });

  test("a claim of a process that is gone is busy, but not ours, and can be released", async () => {
    const place = engine.place();
    const first = engine.open(place);
    await first.claims.claim("mail", "k", "print", hour);
    await first.close();
    const second = engine.open(place);
    expect(await second.claims.claim("mail", "k", "print", hour)).toMatchObject({
      state: "busy",
      ours: false,
    });
    await second.claims.release("mail", "k");
    expect(await second.claims.claim("mail", "k", "print", hour)).toEqual({ state: "claimed" });
  });

  test("giving up takes no result away", async () => {
    const store = engine.open(engine.place());
    await store.claims.claim("mail", "k", "print", hour);
    await store.claims.complete("mail", "k", "print", undefined, hour);
    await store.claims.release("mail", "k");
    expect(await store.claims.claim("mail", "k", "print", hour)).toMatchObject({ state: "done" });
  });

  test("claims and results expire; a result that comes late is kept all the same", async () => {
    const store = engine.open(engine.place());
    const { claims } = store;
    await claims.claim("mail", "late", "print", 0);
    await claims.complete("mail", "late", "print", Buffer.from("r"), hour);
    expect(await claims.claim("mail", "late", "x", hour)).toMatchObject({
      state: "done",
      fingerprint: "print",
    });
    await claims.claim("mail", "k", "print", 1);
    const claimed = async (): Promise<boolean> =>
      (await claims.claim("mail", "k", "print", 1)).state === "claimed";
    await until(claimed, { what: "the claim to expire" });
    await claims.complete("mail", "k", "print", undefined, 1);
    await until(claimed, { what: "the result to expire" });
  });
});
