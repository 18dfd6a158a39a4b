import { statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { attemptRetention } from "../../src/store/attempt-table.ts";
import type { Expired } from "../../src/store/dead-letter-table.ts";
import { Engine } from "../../src/store/engine.ts";
import type { Arguments, OperationName, Reply } from "../../src/store/operations.ts";
import { packLetter } from "../../src/store/packed-letter.ts";
import { defaultRetention, type Retention } from "../../src/store/store.ts";
import { openStore, temporaryFolder } from "./opened-store.ts";
import { attempt, letter } from "./records.ts";

const hour = 3_600_000;

test("beyond the count the oldest letters go as others come, and it is told", async () => {
  const expired: [string, number][] = [];
  const store = openStore({
    folder: ":memory:",
    retention: deadLetters({ count: 3 }),
    onExpired: (component, count) => expired.push([component, count]),
  });
  const letters = [letter({ component: "returns" }), ...Array.from({ length: 4 }, () => letter())];
  for (const one of letters) await store.deadLetters.put(one, one.id);
  const listed = await store.deadLetters.list({}, { limit: 10 });
  expect(listed.map(({ id }) => id)).toEqual(letters.slice(2).map(({ id }) => id));
  expect(expired).toEqual([
    ["returns", 1],
    ["orders", 1],
  ]);
  expect(store.log).toHaveLength(2);
});

test("beyond the bytes too, but the last one stays, however large", async () => {
  const store = openStore({ folder: ":memory:", retention: deadLetters({ bytes: 5000 }) });
  const sized = (size: number) => letter({ event: { data: Buffer.alloc(size) } });
  const letters = [sized(2000), sized(2000), sized(2000), sized(50_000)];
  const ids = async () => (await store.deadLetters.list({}, { limit: 10 })).map(({ id }) => id);
  for (const one of letters.slice(0, 3)) await store.deadLetters.put(one, one.id);
  expect(await ids()).toEqual([letters[1]?.id, letters[2]?.id]);
  await store.deadLetters.put(letters[3]!, "f");
  expect(await ids()).toEqual([letters[3]?.id]);
  // Edited, and so smaller: there is room again.
  await store.deadLetters.replace({ ...letters[3]!, event: letter().event });
  await store.deadLetters.put(letters[0]!, "f");
  expect(await ids()).toEqual([letters[0]?.id, letters[3]?.id]);
});

test("the sweep removes what is too old, and forgets old counts and the oldest of too many", () => {
  const { engine, ask, expired } = start(deadLetters({ age: hour }));
  const [old, young] = [letter({ storedAt: Date.now() - 2 * hour }), letter()];
  for (const one of [old, young]) ask("putLetter", packLetter(one), one.id);
  for (let number = 0; number < attemptRetention.count + 5; number++) {
    ask("beginAttempt", "returns", attempt({ identity: String(number) }));
  }
  ask("claim", "mail", "k", "print", -1);
  engine.sweep();
  expect(expired).toEqual([{ component: "orders", count: 1 }]);
  expect(ask("listLetters", {}, { limit: 10 })).toMatchObject([{ id: young.id }]);
  // Loading tells of no more anyway; what is gone is gone for good.
  ask("forgetAttempts", "returns", ["20", "21"]);
  expect(ask("loadAttempts", "returns")).toHaveLength(attemptRetention.count - 2);
  engine.close();
});

test("letters that are gone leave the disk by and by", () => {
  const folder = temporaryFolder();
  const { engine, ask } = start(defaultRetention, folder);
  const letters = Array.from({ length: 3000 }, () =>
    letter({ event: { data: Buffer.alloc(20_000) } }),
  );
  engine.run(
    letters.map((one) => ({ number: 1, name: "putLetter", args: [packLetter(one), one.id] })),
    (replies) => expect(replies.filter((reply) => "failure" in reply)).toEqual([]),
  );
  const ids = letters.map(({ id }) => id);
  expect(ask("removeLetters", ids.slice(1))).toBe(ids.length - 1);
  const before = statSync(join(folder, "records.db")).size;
  expect(before).toBeGreaterThan(50 * 2 ** 20);
  for (let minute = 0; minute < 5; minute++) engine.sweep();
  expect(ask("listLetters", {}, { limit: 10 })).toMatchObject([{ id: ids[0] }]);
  engine.close();
  expect(statSync(join(folder, "records.db")).size).toBeLessThan(before / 2);
});

test("the sweep removes history that is too old", () => {
  const retention = { ...defaultRetention, history: { age: hour, count: 100 } };
  const { engine, ask } = start(retention);
  const record = {
    component: "orders",
    eventId: "e",
    source: "",
    receivedAt: 0,
    attempts: [],
    renewals: [],
    traceId: "",
    end: "handled" as const,
    reason: "",
    deadLetter: undefined,
  };
  const [old, young] = [Date.now() - 2 * hour, Date.now()];
  const ended = [old, old, young].map((endedAt) => ({ ...record, endedAt }));
  ask("appendHistory", ended);
  engine.sweep();
  expect(ask("findHistory", "e", undefined)).toMatchObject([{ endedAt: young }]);
  engine.sweep();
  expect(ask("findHistory", "e", undefined)).toHaveLength(1);
  engine.close();
});

function deadLetters(parts: Partial<Retention["deadLetters"]>): Retention {
  return { ...defaultRetention, deadLetters: { ...defaultRetention.deadLetters, ...parts } };
}

/** An engine in this thread. */
function start(retention: Retention, folder = ":memory:") {
  const expired: Expired[] = [];
  const engine = new Engine(
    { folder, retention, owner: "me" },
    { notice: (text) => expect.unreachable(text), expired: (some) => expired.push(...some) },
  );
  const ask = <Name extends OperationName>(name: Name, ...args: Arguments<Name>): unknown => {
    const answered: Reply[] = [];
    engine.run([{ number: 1, name, args }], (replies) => answered.push(...replies));
    const [answer] = answered;
    if (answer === undefined || "failure" in answer) {
      throw new Error(`${name}: ${answer?.failure.message ?? "no answer"}`);
    }
    return answer.value;
  };
  return { engine, ask, expired };
}
