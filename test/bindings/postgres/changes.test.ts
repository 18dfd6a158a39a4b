import { expect, test, vi } from "vitest";
import postgres from "../../../src/bindings/postgres/index.ts";
import type { InboundEvent } from "../../../src/binding.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { openInput } from "../opened-input.ts";
import { published, slotColumn } from "./databases.ts";

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
});
