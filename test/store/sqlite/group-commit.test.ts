import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test, vi } from "vitest";
import { Engine } from "../../../src/store/sqlite/engine.ts";
import type { Reply, Request } from "../../../src/store/sqlite/operations.ts";
import { packDeadLetter } from "../../../src/store/sqlite/packed-dead-letter.ts";
import { defaultRetention } from "../../../src/store/store.ts";
import { openStore, temporaryFolder } from "../opened-store.ts";
import { attempt, deadLetter } from "../records.ts";

test("20,000 writes at one time are all there", async () => {
  const folder = temporaryFolder();
  const store = openStore({ folder });
  const ids = await Promise.all(
    Array.from({ length: 20_000 }, (_, number) =>
      store.deadLetters.put(deadLetter(), String(number)),
    ),
  );
  expect(new Set(ids).size).toBe(20_000);
  await store.close();
  expect(await openStore({ folder }).deadLetters.totals()).toMatchObject([{ count: 20_000 }]);
}, 60_000);

test("what arrives together is one transaction", () => {
  const engine = start(temporaryFolder());
  ask(engine, [{ name: "loadAttempts", args: ["orders"] }]);
  const exec = vi.spyOn(DatabaseSync.prototype, "exec");
  const replies = ask(
    engine,
    Array.from({ length: 500 }, (_, number) => ({
      name: "beginAttempt",
      args: ["orders", attempt({ identity: String(number) })],
    })),
  );
  expect(replies.map(({ number }) => number)).toEqual(Array.from({ length: 500 }, (_, n) => n));
  expect(exec.mock.calls.filter(([sql]) => sql === "COMMIT")).toHaveLength(1);
  exec.mockRestore();
});

test("one that cannot be written takes none of the others along", () => {
  const folder = temporaryFolder();
  const engine = start(folder);
  const good = (identity: string) =>
    ({ name: "beginAttempt", args: ["orders", attempt({ identity })] }) as const;
  const bad = attempt({ identity: "bad", begun: 1.5 });
  const replies = ask(engine, [
    good("a"),
    { name: "putDeadLetter", args: [packDeadLetter(deadLetter({ identity: "l" })), "f"] },
    { name: "beginAttempt", args: ["orders", bad] },
    good("b"),
  ]);
  expect(replies).toEqual([
    expect.objectContaining({ number: 0, value: undefined }),
    expect.objectContaining({ number: 1, value: expect.any(String) }),
    {
      number: 2,
      failure: expect.objectContaining({
        message: expect.stringContaining(join(folder, "records.db")),
      }),
    },
    expect.objectContaining({ number: 3, value: undefined }),
  ]);
  expect(engine.trouble).toBeUndefined();
  const [loaded] = ask(engine, [{ name: "loadAttempts", args: ["orders"] }]);
  const identities = (loaded as { value: { identity: string }[] }).value.map(
    ({ identity }) => identity,
  );
  expect(identities.sort()).toEqual(["a", "b", "l"]);
});

function start(folder: string): Engine {
  const options = { folder, retention: defaultRetention, owner: "me" };
  return new Engine(options, {
    notice: (text) => expect.unreachable(text),
    expired: () => expect.unreachable("nothing expires"),
  });
}

function ask(engine: Engine, requests: readonly Omit<Request, "number">[]): Reply[] {
  const answered: Reply[] = [];
  engine.run(
    requests.map((request, number) => ({ ...request, number })),
    (replies) => answered.push(...replies),
  );
  return answered;
}
