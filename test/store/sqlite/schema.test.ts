import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test } from "vitest";
import { historyMigrations, migrate, recordMigrations } from "../../../src/store/sqlite/schema.ts";
import { openStore, temporaryFolder } from "../opened-store.ts";

/** As the first version wrote it; this must never need a change. */
const firstRecords = `
  INSERT INTO dead_letters (id, component, type, cause, reason, identity, fingerprint, event_id, failed,
    received_at, stored_at, trace_id, redrives, edited, bytes, key, metadata, attempts, headers, data)
  VALUES ('1', 'orders', 'bindings.kafka', 'refused', 'no', 'i', 'f', 'e', 3, 10, 20, 'trace', 1, 1, 99,
    'key', '{"topic":"t"}', '[{"at":1,"took":2,"outcome":"refused","answer":"no"}]', x'000000016100000001ff', x'00ff');
  INSERT INTO attempts (component, identity, fingerprint, begun, last_error, dead_lettered, noted_at)
  VALUES ('orders', 'i', 'f', 3, 'no', 1, 20);
  INSERT INTO claims (scope, key, fingerprint, owner, since, expires_at, done, result)
  VALUES ('mail', 'k', 'print', 'gone', 5, 9000000000000, 1, x'01');
`;

test("a file of the first version is brought to the newest with all that it holds", async () => {
  const folder = temporaryFolder();
  const file = new DatabaseSync(join(folder, "records.db"));
  migrate(file, recordMigrations.slice(0, 1));
  file.exec(firstRecords);
  file.close();
  const store = openStore({ folder });
  expect(await store.deadLetters.get("1")).toEqual({
    fingerprint: "f",
    id: "1",
    component: "orders",
    type: "bindings.kafka",
    cause: "refused",
    reason: "no",
    identity: "i",
    attempts: [{ at: 1, took: 2, outcome: "refused", answer: "no" }],
    failed: 3,
    receivedAt: 10,
    storedAt: 20,
    traceId: "trace",
    redrives: 1,
    edited: true,
    event: {
      id: "e",
      key: "key",
      metadata: { topic: "t" },
      headers: [{ name: "a", value: new Uint8Array([255]) }],
      data: new Uint8Array([0, 255]),
    },
  });
  const counts = { identity: "i", fingerprint: "f", begun: 3, lastError: "no", deadLettered: true };
  expect(await store.attempts.load("orders")).toEqual([counts]);
  expect(await store.claims.claim("mail", "k", "print", 1)).toEqual({
    state: "done",
    result: new Uint8Array([1]),
    fingerprint: "print",
  });
  await store.close();
  const after = new DatabaseSync(join(folder, "records.db"));
  onTestFinished(() => after.close());
  const version = after.prepare("PRAGMA user_version").get();
  expect(version).toEqual({ user_version: recordMigrations.length });
});

test("a history of the first version is found by trace id", async () => {
  const folder = temporaryFolder();
  const file = new DatabaseSync(join(folder, "history.db"));
  migrate(file, historyMigrations.slice(0, 1));
  file.exec(`
    INSERT INTO history (event_id, component, ended_at, record) VALUES
      ('', 'orders', 20, '{"component":"orders","traceId":"abc","reason":"\\u0000"}'),
      ('e', 'orders', 30, '{"component":"orders","traceId":"","reason":""}');
  `);
  file.close();
  const store = openStore({ folder });
  const traced = { component: "orders", traceId: "abc", reason: "\0" };
  expect(await store.history.find("abc", undefined)).toEqual([traced]);
  expect(await store.history.find("e", "orders")).toEqual([{ ...traced, traceId: "", reason: "" }]);
});

test("steps are taken once each, in order; one that fails leaves the file as it was before it", () => {
  const database = new DatabaseSync(":memory:");
  onTestFinished(() => database.close());
  const [one, two] = ["CREATE TABLE a (x); INSERT INTO a VALUES (1)", "ALTER TABLE a ADD COLUMN y"];
  migrate(database, [one]);
  migrate(database, [one, two]);
  const row = { x: 1, y: null };
  expect(database.prepare("SELECT * FROM a").all()).toEqual([row]);
  expect(() => migrate(database, [one, two, "INSERT INTO a VALUES (2, 3); nonsense"])).toThrow(
    "syntax",
  );
  expect(database.prepare("SELECT * FROM a").all()).toEqual([row]);
  expect(database.prepare("PRAGMA user_version").get()).toEqual({ user_version: 2 });
  expect(() => migrate(database, [one])).toThrow("version 2");
});
