import { statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Expired } from "../../../src/store/sqlite/dead-letter-table.ts";
import { Engine } from "../../../src/store/sqlite/engine.ts";
import type { Arguments, OperationName, Reply } from "../../../src/store/sqlite/operations.ts";
import { packDeadLetter } from "../../../src/store/sqlite/packed-dead-letter.ts";
import { attemptRetention, defaultRetention, type Retention } from "../../../src/store/store.ts";
import { temporaryFolder } from "../opened-store.ts";
import { attempt, deadLetter } from "../records.ts";

const hour = 3_600_000;

test("the sweep removes what is too old, and forgets old counts and the oldest of too many", () => {
  const { engine, ask, expired } = start(retentionOf({ age: hour }));
  const [old, young] = [deadLetter({ storedAt: Date.now() - 2 * hour }), deadLetter()];
  for (const one of [old, young]) ask("putDeadLetter", packDeadLetter(one), one.id);
  for (let number = 0; number < attemptRetention.count + 5; number++) {
    ask("beginAttempt", "returns", attempt({ identity: String(number) }));
  }
  ask("claim", "mail", "k", "print", -1);
  engine.sweep();
  expect(expired).toEqual([{ component: "orders", count: 1 }]);
  expect(ask("listDeadLetters", {}, { limit: 10 })).toMatchObject([{ id: young.id }]);
  // Loading tells of no more anyway; what is gone is gone for good.
  ask("forgetAttempts", "returns", ["20", "21"]);
  expect(ask("loadAttempts", "returns")).toHaveLength(attemptRetention.count - 2);
  engine.close();
});

test("dead letters that are gone leave the disk by and by", () => {
  const folder = temporaryFolder();
  const { engine, ask } = start(defaultRetention, folder);
  const deadLetters = Array.from({ length: 3000 }, () =>
    deadLetter({ event: { data: Buffer.alloc(20_000) } }),
  );
  engine.run(
    deadLetters.map((one) => ({
      number: 1,
      name: "putDeadLetter",
      args: [packDeadLetter(one), one.id],
    })),
    (replies) => expect(replies.filter((reply) => "failure" in reply)).toEqual([]),
  );
  const ids = deadLetters.map(({ id }) => id);
  expect(ask("removeDeadLetters", ids.slice(1))).toBe(ids.length - 1);
  const before = statSync(join(folder, "records.db")).size;
  expect(before).toBeGreaterThan(50 * 2 ** 20);
  for (let minute = 0; minute < 5; minute++) engine.sweep();
  expect(ask("listDeadLetters", {}, { limit: 10 })).toMatchObject([{ id: ids[0] }]);
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

function retentionOf(parts: Partial<Retention["deadLetters"]>): Retention {
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
