import { describe, expect, test, vi } from "vitest";
import postgres from "../../../src/bindings/postgres/index.ts";
import type { InboundEvent } from "../../../src/binding.ts";
import { BindingError } from "../../../src/errors.ts";
import { keptCheckpoints } from "../../runtime/component/checkpoints.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { startProxy } from "../../servers/proxy.ts";
import { endAfterTest } from "../contract.ts";
import { openInput } from "../opened-input.ts";
import { ask, published, slotColumn } from "./databases.ts";

const eventually = { timeout: 15_000, interval: 10 };
const handled = { outcome: "handled" } as const;

function idOf({ data }: InboundEvent): number {
  const change = JSON.parse(Buffer.from(data ?? []).toString()) as { after: { id: number } };
  return change.after.id;
}

describeWith("postgres", (server) => {
  test("a transaction that was handled in part goes on where it was, over any number of readings", async () => {
    const { properties, run, slot } = await published(server);
    const checkpoints = keptCheckpoints();
    await run("INSERT INTO $table SELECT n, 'x' FROM generate_series(1, 30) n");
    const first = await openInput(postgres, properties, { checkpoints });
    await vi.waitFor(() => expect(first.events.length).toBe(30), eventually);
    for (const event of first.events.slice(0, 10)) event.settle(handled);
    first.events[14]?.settle(handled);
    await first.close();
    const second = await openInput(postgres, properties, { checkpoints });
    const ids = Array.from({ length: 20 }, (_, n) => n + 11).filter((id) => id !== 15);
    await vi.waitFor(() => expect(second.events.length).toBe(19), eventually);
    expect(second.events.map(idOf)).toEqual(ids);
    second.events.at(-1)?.settle(handled);
    await second.close();
    const third = await openInput(postgres, properties, { checkpoints });
    await vi.waitFor(() => expect(third.events.length).toBe(18), eventually);
    expect(third.events.map(idOf)).toEqual(ids.slice(0, -1));
    for (const event of third.events) event.settle(handled);
    await third.close();
    expect(await unconfirmed(slot)).toBe("0");
    await run("INSERT INTO $table VALUES (31, 'x')");
    const last = await openInput(postgres, properties, { checkpoints });
    expect(idOf(await last.next())).toBe(31);
    expect(last.events.length).toBe(1);
  });

  /** How many messages the slot would bring once more. */
  async function unconfirmed(slot: string): Promise<string | undefined> {
    const [[count] = []] = await ask(
      server,
      `SELECT count(*) FROM pg_logical_slot_peek_binary_changes('${slot}', NULL, NULL,
        'proto_version', '1', 'publication_names', '${slot.replace("slot", "pub")}')`,
    );
    return count;
  }

  test("what the server forgot of the confirmations in a crash does not come again", async () => {
    const { properties, run, slot } = await published(server);
    const checkpoints = keptCheckpoints();
    const first = await openInput(postgres, properties, { checkpoints });
    const kept = `kept_${slot.slice(-20)}`;
    await run(`SELECT pg_copy_logical_replication_slot('${slot}', '${kept}')`);
    await run("INSERT INTO $table VALUES (1, 'x')");
    (await first.next()).settle(handled);
    await first.close();
    // The slot as it was before, under its own name.
    await run(`SELECT pg_drop_replication_slot('${slot}')`);
    await run(`SELECT pg_copy_logical_replication_slot('${kept}', '${slot}')`);
    await run(`SELECT pg_drop_replication_slot('${kept}')`);
    await run("INSERT INTO $table VALUES (2, 'x')");
    const second = await openInput(postgres, properties, { checkpoints });
    expect(idOf(await second.next())).toBe(2);
    expect(second.events.length).toBe(1);
  });

  test("an app that takes its time: no more is read than what one read brought, and the server hears of the reader", async () => {
    const { properties, run, slot } = await published(server, "id int PRIMARY KEY, name text", {
      options: "options='-c wal_sender_timeout=3s'",
    });
    const room = Promise.withResolvers<void>();
    const input = await openInput(postgres, properties, { room: () => room.promise });
    await run("INSERT INTO $table SELECT n, repeat('x', 1500) FROM generate_series(1, 6000) n");
    await vi.waitFor(() => expect(input.events.length).toBeGreaterThan(0), eventually);
    const few = input.events.length;
    // Longer than the time after which the server gives up a silent reader.
    const heard = `SELECT reply_time - backend_start > interval '4 s' FROM pg_stat_replication JOIN pg_replication_slots ON active_pid = pid WHERE slot_name = '${slot}'`;
    await vi.waitFor(async () => expect(await run(heard)).toEqual([["t"]]), eventually);
    expect(input.events.length).toBe(few);
    expect(few).toBeLessThan(500);
    room.resolve();
    await vi.waitFor(() => expect(input.events.length).toBe(6_000), eventually);
    expect(idOf(input.events.at(-1) as InboundEvent)).toBe(6_000);
  });

  test("an idle table holds nothing back: neither of another table nor of another database", async () => {
    const { properties, run, slot, table } = await published(server);
    const [other, database] = [`other_${table}`, `db_${table}`];
    endAfterTest(async () => {
      await run(`DROP TABLE ${other}`);
      await run(`DROP DATABASE ${database} WITH (FORCE)`);
    });
    await run(`CREATE TABLE ${other} (n int)`);
    const input = await openInput(postgres, {
      ...properties,
      connectionString: `${properties["connectionString"]} options='-c wal_sender_timeout=3s'`,
    });
    const passes = async (write: () => Promise<unknown>): Promise<void> => {
      await write();
      const [[here = ""] = []] = await run("SELECT pg_current_wal_lsn()");
      await vi.waitFor(async () => {
        await run("CHECKPOINT");
        const columns = `confirmed_flush_lsn >= '${here}' AND restart_lsn >= '${here}'`;
        expect(await slotColumn(server, slot, columns)).toBe("t");
      }, eventually);
    };
    await passes(() => run(`INSERT INTO ${other} SELECT generate_series(1, 1000)`));
    // Its making alone writes more than a megabyte of the log.
    await passes(() => run(`CREATE DATABASE ${database} STRATEGY wal_log`));
    expect(input.events).toEqual([]);
  });

  test("an event that is not handled keeps the server's log, whatever is handled behind it", async () => {
    const { properties, run, slot } = await published(server);
    const input = await openInput(postgres, properties);
    await run("INSERT INTO $table VALUES (1, 'x')");
    const first = await input.next();
    const passed = `confirmed_flush_lsn > '${first.metadata["commitLsn"]}'`;
    for (let n = 2; n < 5; n++) {
      await run(`INSERT INTO $table VALUES (${n}, 'x')`);
      (await input.next()).settle(handled);
    }
    await input.reader.flush();
    expect(await slotColumn(server, slot, passed)).toBe("f");
    first.settle(handled);
    await vi.waitFor(
      async () => expect(await slotColumn(server, slot, passed)).toBe("t"),
      eventually,
    );
  });

  test("an end right after an event is handled confirms its transaction, also without a state folder", async () => {
    const { properties, run } = await published(server);
    for (let id = 1; id <= 8; id++) {
      const input = await openInput(postgres, properties);
      await run(`INSERT INTO $table VALUES (${id}, repeat('x', 10000))`);
      const event = await input.next();
      expect(idOf(event)).toBe(id);
      event.settle(handled);
      await input.close();
    }
  });

  test("a large transaction that nobody takes does not keep the reader from ending", async () => {
    const { properties, run, slot } = await published(server);
    const input = await openInput(postgres, properties, { room: () => new Promise(() => {}) });
    await run("INSERT INTO $table SELECT n, repeat('x', 300) FROM generate_series(1, 20000) n");
    await vi.waitFor(() => expect(input.events.length).toBeGreaterThan(0), eventually);
    await input.close();
    expect(await slotColumn(server, slot, "active")).toBe("f");
  });

  describe("a connection that breaks", () => {
    test("is lost at once when it is cut", async () => {
      const proxy = await startProxy(server);
      endAfterTest(async () => proxy[Symbol.asyncDispose]());
      const { properties } = await published(server, "id int PRIMARY KEY", { through: proxy });
      const input = await openInput(postgres, properties);
      proxy.cut();
      expect(await input.lost).toMatchObject({ reason: "unavailable" });
    });

    test("is lost after a while when nothing passes", async () => {
      const proxy = await startProxy(server);
      endAfterTest(async () => proxy[Symbol.asyncDispose]());
      const { properties } = await published(server, "id int PRIMARY KEY", {
        through: proxy,
        options: "options='-c wal_sender_timeout=600ms'",
      });
      const input = await openInput(postgres, { ...properties, timeout: "1s" });
      proxy.stall();
      expect(await input.lost).toMatchObject({ reason: expect.stringMatching(/unavail|deadline/) });
      proxy.heal();
    });

    test("and half of which is gone is noticed", async () => {
      const proxy = await startProxy(server);
      endAfterTest(async () => proxy[Symbol.asyncDispose]());
      const { properties } = await published(server, "id int PRIMARY KEY", {
        through: proxy,
        options: "options='-c wal_sender_timeout=600ms'",
      });
      const input = await openInput(postgres, { ...properties, timeout: "1s" });
      proxy.halfOpen();
      expect(await input.lost).toBeInstanceOf(BindingError);
    });

    test("is kept while the server is busy and says nothing", async () => {
      const { properties, run, slot } = await published(server, "id int PRIMARY KEY", {
        options: "options='-c wal_sender_timeout=3s'",
      });
      const input = await openInput(postgres, properties);
      const lost = vi.fn();
      void input.lost.then(lost);
      const sender = Number(await slotColumn(server, slot, "active_pid"));
      process.kill(sender, "SIGSTOP");
      const silent = `SELECT clock_timestamp() - coalesce(reply_time, backend_start) > interval '4 s' FROM pg_stat_replication WHERE pid = ${sender}`;
      await vi
        .waitFor(async () => expect(await run(silent)).toEqual([["t"]]), eventually)
        .finally(() => process.kill(sender, "SIGCONT"));
      await run("INSERT INTO $table VALUES (1)");
      expect(idOf(await input.next())).toBe(1);
      expect(lost).not.toHaveBeenCalled();
    });
  });
});
