import { expect, test } from "vitest";
import type { DeadLetter } from "../../../src/store/records.ts";
import { defaultRetention, type Retention, type Store } from "../../../src/store/store.ts";
import { until } from "../../until.ts";
import { withEngines } from "../engines.ts";
import { deadLetter } from "../records.ts";

withEngines((engine) => {
  test("beyond the count the oldest dead letters go as others come, and it is told", async () => {
    const expired: [string, number][] = [];
    const store = engine.open(engine.place(), {
      retention: retentionOf({ count: 3 }),
      onExpired: (component, count) => expired.push([component, count]),
    });
    const deadLetters = [
      deadLetter({ component: "returns" }),
      ...Array.from({ length: 4 }, () => deadLetter()),
    ];
    for (const one of deadLetters) await store.deadLetters.put(one, one.id);
    const kept = deadLetters.slice(2).map(({ id }) => id);
    await until(async () => String(await idsOf(store)) === String(kept), { what: "two to go" });
    await until(() => expired.length > 1, { what: "both to be told" });
    expect(expired).toEqual([
      ["returns", 1],
      ["orders", 1],
    ]);
    expect(store.log).toHaveLength(2);
  });

  test("beyond the bytes too, but the last one stays, however large", async () => {
    const store = engine.open(engine.place(), { retention: retentionOf({ bytes: 5000 }) });
    const sized = (size: number) => deadLetter({ event: { data: Buffer.alloc(size) } });
    const deadLetters = [sized(2000), sized(2000), sized(2000), sized(50_000)];
    const there = (...expected: (DeadLetter | undefined)[]) =>
      until(async () => String(await idsOf(store)) === String(expected.map((one) => one?.id)), {
        what: "what is too much to go",
      });
    for (const one of deadLetters.slice(0, 3)) await store.deadLetters.put(one, one.id);
    await there(deadLetters[1], deadLetters[2]);
    await store.deadLetters.put(deadLetters[3]!, "f");
    await there(deadLetters[3]);
    // Edited, and so smaller: there is room again.
    await store.deadLetters.replace({ ...deadLetters[3]!, event: deadLetter().event });
    await store.deadLetters.put(deadLetters[0]!, "f");
    await there(deadLetters[0], deadLetters[3]);
  });
});

async function idsOf({ deadLetters }: Store): Promise<string[]> {
  return (await deadLetters.list({}, { limit: 10 })).map(({ id }) => id);
}

function retentionOf(parts: Partial<Retention["deadLetters"]>): Retention {
  return { ...defaultRetention, deadLetters: { ...defaultRetention.deadLetters, ...parts } };
}
