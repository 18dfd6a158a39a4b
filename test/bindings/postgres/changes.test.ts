import { expect, onTestFinished, test, vi } from "vitest";
import postgres from "../../../src/bindings/postgres/index.ts";
import type { InboundEvent } from "../../../src/binding.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { handled as handledByApp } from "../../runtime/fake-app.ts";
import { endAfterTest, read } from "../contract.ts";
import { openInput } from "../opened-input.ts";
import { openOutput } from "../opened-output.ts";
import { published, slotColumn, words } from "./databases.ts";

const eventually = { timeout: 15_000, interval: 10 };

function textOf({ data }: InboundEvent): string {
  return Buffer.from(data ?? []).toString();
}

const handled = { outcome: "handled" } as const;

describeWith("postgres", (server) => {
  test("insert, update, delete and truncate, with the old row as the replica identity gives it", async () => {
    const { properties, run, table } = await published(server);
    const input = await openInput(postgres, properties);
    await run("INSERT INTO $table VALUES (1, 'a')");
    await run("UPDATE $table SET name = 'b'");
    await run("DELETE FROM $table");
    await run("ALTER TABLE $table REPLICA IDENTITY FULL");
    await run("INSERT INTO $table VALUES (2, NULL)");
    await run("UPDATE $table SET name = 'c'");
    await run("DELETE FROM $table");
    await run("TRUNCATE $table RESTART IDENTITY");
    const texts: string[] = [];
    for (let n = 0; n < 7; n++) {
      const event = await input.next();
      texts.push(textOf(event));
      event.settle(handled);
    }
    const head = (operation: string) =>
      `"operation":"${operation}","schema":"public","table":"${table}"`;
    expect(texts).toEqual([
      `{${head("insert")},"after":{"id":1,"name":"a"}}`,
      `{${head("update")},"after":{"id":1,"name":"b"}}`,
      `{${head("delete")},"before":{"id":1}}`,
      `{${head("insert")},"after":{"id":2,"name":null}}`,
      `{${head("update")},"before":{"id":2,"name":null},"after":{"id":2,"name":"c"}}`,
      `{${head("delete")},"before":{"id":2,"name":"c"}}`,
      `{${head("truncate")},"cascade":false,"restartIdentity":true}`,
    ]);
    const keys = input.events.map(({ key }) => key);
    expect(new Set(keys.slice(0, 3))).toEqual(new Set([`["public","${table}",1]`]));
    expect(new Set(keys.slice(3, 6))).toEqual(new Set([`["public","${table}",2]`]));
    expect(keys[6]).toBe(`["public","${table}"]`);
  });

  test("what was handled is confirmed, what was not comes again", async () => {
    const { properties, run, slot } = await published(server);
    const first = await openInput(postgres, properties);
    await run("INSERT INTO $table VALUES (1, 'a')");
    await run("INSERT INTO $table VALUES (2, 'b')");
    await run("INSERT INTO $table VALUES (3, 'c')");
    const events = [await first.next(), await first.next(), await first.next()];
    const before = await slotColumn(server, slot, "confirmed_flush_lsn");
    events[0]?.settle(handled);
    events[2]?.settle(handled);
    await vi.waitFor(
      async () => expect(await slotColumn(server, slot, "confirmed_flush_lsn")).not.toBe(before),
      eventually,
    );
    await first.close();
    const second = await openInput(postgres, properties);
    expect(textOf(await second.next())).toContain('"after":{"id":2,"name":"b"}');
    expect(textOf(await second.next())).toContain('"after":{"id":3,"name":"c"}');
  });

  test("values are as `query` answers them: digits, domains, times, bytes", async () => {
    const columns = `id bigint PRIMARY KEY, price numeric, count counted_$, ratio float8, doc jsonb, raw bytea,
      at timestamptz, tags text[], uid uuid, state state_$, nothing text`;
    const { properties, run, table } = await published(server, "id int");
    const own = (text: string) => text.replaceAll("$", table);
    endAfterTest(() => run(own("DROP TYPE state_$ CASCADE; DROP DOMAIN counted_$ CASCADE")));
    await run(
      own("CREATE DOMAIN counted_$ AS integer; CREATE TYPE state_$ AS ENUM ('open', 'done')"),
    );
    await run(`DROP TABLE $table; CREATE TABLE $table (${own(columns)})`);
    await run("ALTER PUBLICATION pub_$table ADD TABLE $table");
    const input = await openInput(postgres, properties);
    await run(`INSERT INTO $table VALUES (9007199254740993, 12345678901234567890.123456789, 7, 0.1,
      '{"n": 9007199254740993}', '\\x00ff', '2024-01-02 03:04:05+00', '{a,NULL}', '0a000000-0000-0000-0000-000000000001', 'done', NULL)`);
    const event = await input.next();
    const db = await openOutput(postgres, { connectionString: words(server) });
    onTestFinished(() => db[Symbol.asyncDispose]());
    const answer = await db.invoke("query", { sql: `SELECT * FROM ${table}` });
    const { after } = JSON.parse(textOf(event)) as { after: Record<string, unknown> };
    expect(textOf(event)).toContain(
      '"id":9007199254740993,"price":12345678901234567890.123456789,',
    );
    expect(textOf(event)).toContain('"count":7,"ratio":0.1,"doc":{"n":9007199254740993},');
    expect([Object.values(after)]).toEqual(JSON.parse(Buffer.from(answer?.data ?? []).toString()));
    await run("UPDATE $table SET ratio = 'NaN'");
    expect(textOf(await input.next())).toContain('"ratio":"NaN"');
  });

  test("a large value that has not changed is named, unless the old row has it", async () => {
    const { properties, run } = await published(server);
    await run("ALTER TABLE $table ALTER name SET STORAGE EXTERNAL");
    const input = await openInput(postgres, properties);
    await run("INSERT INTO $table VALUES (1, repeat('x', 100000))");
    await run("ALTER TABLE $table ADD count int");
    await run("UPDATE $table SET count = 1");
    await run("ALTER TABLE $table REPLICA IDENTITY FULL");
    await run("UPDATE $table SET count = 2");
    await input.next();
    expect(textOf(await input.next())).toMatch(
      /"after":{"id":1,"count":1},"unchanged":\["name"\]}$/,
    );
    const { after } = JSON.parse(textOf(await input.next())) as { after: { name: string } };
    expect(after.name).toHaveLength(100_000);
  });

  test("each event says where it is from; its id is the same when it comes again", async () => {
    const { properties, run, table } = await published(server);
    const first = await openInput(postgres, properties);
    await run("INSERT INTO $table SELECT n, 'x' FROM generate_series(1, 2) n");
    const [one, two] = [await first.next(), await first.next()];
    const { lsn, commitLsn, commitTime, transactionId, ...rest } = one.metadata;
    expect(rest).toEqual({ operation: "insert", schema: "public", table });
    expect([lsn, commitLsn]).toEqual([
      expect.stringMatching(/^[0-9A-F]+\/[0-9A-F]+$/),
      expect.stringMatching(/^[0-9A-F]+\/[0-9A-F]+$/),
    ]);
    expect(transactionId).toBe(two.metadata["transactionId"]);
    expect(Math.abs(Date.parse(commitTime ?? "") - Date.now())).toBeLessThan(60_000);
    expect(one.id).toMatch(/-1$/);
    expect(two.id).toMatch(/-2$/);
    await first.close();
    const again = await openInput(postgres, properties);
    expect([(await again.next()).id, (await again.next()).id]).toEqual([one.id, two.id]);
  });

  test("a new key and a truncation wait for all before them, and all after wait for them", async () => {
    const { properties, run } = await published(server);
    const order: string[] = [];
    const held = Promise.withResolvers<void>();
    const { app } = await read({ binding: postgres }, { properties }, async (text) => {
      const change = JSON.parse(text) as {
        operation: string;
        after?: { id: number; name: string };
      };
      const name = `${change.operation} ${change.after?.id ?? ""}${change.after?.name ?? ""}`;
      if (name === "insert 1a") await held.promise;
      order.push(name);
      return handledByApp;
    });
    await run("INSERT INTO $table VALUES (1, 'a')");
    await run("INSERT INTO $table VALUES (2, 'b')");
    await run("UPDATE $table SET id = 3, name = 'c' WHERE id = 1");
    await run("INSERT INTO $table VALUES (1, 'd')");
    await run("TRUNCATE $table");
    await run("INSERT INTO $table VALUES (4, 'e')");
    await vi.waitFor(() => expect(order).toEqual(["insert 2b"]), eventually);
    expect(app.deliveries).toHaveLength(2);
    held.resolve();
    await vi.waitFor(() => expect(order).toHaveLength(6), eventually);
    expect(order).toEqual([
      ...["insert 2b", "insert 1a", "update 3c", "insert 1d", "truncate ", "insert 4e"],
    ]);
  });

  test("with full identity the key is the primary key, without any the table", async () => {
    const { properties, run, table } = await published(server);
    await run("ALTER TABLE $table REPLICA IDENTITY FULL");
    const input = await openInput(postgres, properties);
    await run("INSERT INTO $table VALUES (1, 'a')");
    // The key is looked up when the change comes.
    expect((await input.next()).key).toBe(`["public","${table}",1]`);
    await run("ALTER TABLE $table DROP CONSTRAINT $table_pkey");
    await run("UPDATE $table SET name = 'b'");
    expect((await input.next()).key).toBe(`["public","${table}"]`);
  });
});
