import { expect, onTestFinished, test, vi } from "vitest";
import postgres from "../../../src/bindings/postgres/index.ts";
import { keptCheckpoints } from "../../runtime/component/checkpoints.ts";
import { handled } from "../../runtime/fake-app.ts";
import { component } from "../../runtime/fake-binding.ts";
import { describeWith } from "../../servers/describe-with.ts";
import type { OwnServer } from "../../servers/kinds.ts";
import { endAfterTest, read } from "../contract.ts";
import { openInput } from "../opened-input.ts";
import { openOutput } from "../opened-output.ts";
import { ask, dropSlot, makeSlot, published, slotColumn, words, type Server } from "./databases.ts";

const eventually = { timeout: 20_000, interval: 10 };

/** Who may log in, and what else is granted. */
async function userOf(server: Server, name: string, rights = ""): Promise<string> {
  const user = `user_${name}`;
  await ask(server, `CREATE ROLE ${user} LOGIN PASSWORD 'secret' ${rights}`);
  endAfterTest(() => ask(server, `DROP ROLE ${user}`));
  return `host=${server.host} port=${server.port} user=${user} password=secret dbname=postgres sslmode=disable`;
}

describeWith("postgres", (server) => {
  test("reading makes the slot, and nothing else does", async () => {
    const { properties, run, slot } = await published(server, undefined, { made: false });
    const output = await openOutput(postgres, { ...properties, direction: "output" });
    onTestFinished(() => output[Symbol.asyncDispose]());
    await output.invoke("query", { sql: "SELECT 1" });
    expect(await slotColumn(server, slot, "slot_name")).toBe("no slot");
    await run("INSERT INTO $table VALUES (1, 'before')");
    const first = await openInput(postgres, properties);
    expect(await slotColumn(server, slot, "plugin")).toBe("pgoutput");
    await run("INSERT INTO $table VALUES (2, 'after')");
    (await first.next()).settle({ outcome: "handled" });
    await first.close();
    await run("INSERT INTO $table VALUES (3, 'meanwhile')");
    const second = await openInput(postgres, properties);
    expect(Buffer.from((await second.next()).data ?? []).toString()).toContain('"meanwhile"');
    expect([first.events.length, second.events.length]).toEqual([1, 1]);
  });

  test("an output, and opening, need no right but to connect; reading names the one that it needs", async () => {
    const { properties, table } = await published(server);
    const plain = { ...properties, connectionString: await userOf(server, `plain_${table}`) };
    const output = await openOutput(postgres, plain);
    onTestFinished(() => output[Symbol.asyncDispose]());
    await output.invoke("query", { sql: "SELECT 1" });
    await expect(openInput(postgres, plain)).rejects.toMatchObject({
      reason: "permission_denied",
      message: expect.stringMatching(/the user needs the right to replicate: ALTER ROLE/),
    });
    const connectionString = await userOf(server, `replica_${table}`, "REPLICATION");
    await openInput(postgres, { ...properties, connectionString });
  });

  test("what is missing is named, with what to do", async () => {
    const { properties, run, table, slot } = await published(server);
    const refused = (more: Record<string, string>) =>
      openInput(postgres, { ...properties, ...more }).then(
        () => "it reads",
        (error: unknown) => String(error),
      );
    expect(await refused({ publications: `pub_${table},Missing` })).toMatch(
      /database postgres has no publication Missing: CREATE PUBLICATION "Missing" FOR TABLE/,
    );
    expect(await refused({ publications: "" })).toMatch(/metadata publications is required/);
    expect(await refused({ slot: "" })).toMatch(/metadata slot is required/);
    expect(await refused({ mode: "listen" })).toMatch(/metadata channels is required/);
    const physical = `physical_${table}`;
    await run(`SELECT pg_create_physical_replication_slot('${physical}')`);
    endAfterTest(() => dropSlot(server, physical));
    expect(await refused({ slot: physical })).toMatch(/is of another kind \(physical\)/);
    await run(`CREATE DATABASE db_${table}`);
    endAfterTest(() => run(`DROP DATABASE db_${table} WITH (FORCE)`));
    const elsewhere = words(server).replace("dbname=postgres", `dbname=db_${table}`);
    expect(await refused({ connectionString: elsewhere })).toMatch(/has no publication/);
    await ask(
      { url: server.url.replace(/\/postgres$/, `/db_${table}`) },
      `CREATE PUBLICATION pub_${table}`,
    );
    expect(await refused({ connectionString: elsewhere })).toMatch(
      new RegExp(`slot ${slot} is of database postgres, not db_${table}`),
    );
  });

  test("names are taken as they are, or refused", async () => {
    const { properties, run, table } = await published(server);
    const name = `it's a "publication"; DROP TABLE ${table}`;
    await run(`CREATE PUBLICATION "${name.replaceAll('"', '""')}" FOR TABLE $table`);
    endAfterTest(() => run(`DROP PUBLICATION "${name.replaceAll('"', '""')}"`));
    const input = await openInput(postgres, { ...properties, publications: name });
    await run("INSERT INTO $table VALUES (1, 'x')");
    expect((await input.next()).metadata["table"]).toBe(table);
    for (const slot of ["Upper", "a-b", "a'b", 'a"b', "a\r\nb", "a\0b", "x".repeat(64), "../a"])
      await expect(openInput(postgres, { ...properties, slot })).rejects.toThrow(
        /1 to 63 lower-case/,
      );
    for (const publications of ["a\0b", "x".repeat(65_536)])
      await expect(openInput(postgres, { ...properties, publications })).rejects.toThrow(
        /NUL|63 bytes/,
      );
  });

  test("tables whose updates the server refuses are told of", async () => {
    const { properties, table } = await published(server, "id int");
    const { status } = await read({ binding: postgres }, { properties });
    await vi.waitFor(() => expect(status().reason).toMatch(/refuses updates and deletes of/));
    expect(status()).toMatchObject({ state: "running" });
    expect(status().reason).toContain(`public.${table}`);
  });

  test("a slot that was read and is gone is not made anew by itself", async () => {
    const { properties, run, slot } = await published(server);
    const checkpoints = keptCheckpoints();
    const first = await openInput(postgres, properties, { checkpoints });
    await run("INSERT INTO $table VALUES (1, 'x')");
    (await first.next()).settle({ outcome: "handled" });
    await first.close();
    await dropSlot(server, slot);
    await expect(openInput(postgres, properties, { checkpoints })).rejects.toMatchObject({
      reason: "failed_precondition",
      message: expect.stringMatching(
        new RegExp(
          `slot ${slot} is gone, which was read before up to [0-9A-F]+/[0-9A-F]+: changes are missed since. .*pg_create_logical_replication_slot\\('${slot}', 'pgoutput'\\)`,
        ),
      ),
    });
    await makeSlot(server, slot);
    await run("INSERT INTO $table VALUES (2, 'x')");
    const second = await openInput(postgres, properties, { checkpoints });
    expect(Buffer.from((await second.next()).data ?? []).toString()).toContain('"id":2');
  });

  test("a slot that another process reads by is waited for, and named", async () => {
    const { properties } = await published(server);
    const first = await openInput(postgres, properties, { name: "first" });
    const second = openInput(postgres, properties, { name: "second" });
    await first.close();
    await second;
    const { properties: other, slot } = await published(server);
    await openInput(postgres, other, { name: "reader" });
    const { status } = await read({ binding: postgres }, { properties: other });
    await vi.waitFor(
      () =>
        expect(status().reason).toMatch(
          new RegExp(`slot ${slot} is in use by process \\d+ of the server, cufflink-test-reader`),
        ),
      { timeout: 30_000, interval: 20 },
    );
  });

  test("a changed component reads on beside the one before it", async () => {
    const { properties, run } = await published(server);
    const { runtime, app, status } = await read({ binding: postgres }, { properties });
    await run("INSERT INTO $table VALUES (1, 'x')");
    await vi.waitFor(() => expect(status().handled).toBe(1), eventually);
    for (let turn = 2; turn < 5; turn++) {
      const values = { ...properties, maxInFlight: String(turn) };
      const spec = component("postgres", {}, { resolve: async () => ({ values, secrets: [] }) });
      await runtime.apply([spec]);
      await run(`INSERT INTO $table VALUES (${turn}, 'x')`);
      await vi.waitFor(() => expect(app.texts).toHaveLength(turn), eventually);
    }
    expect(status()).toMatchObject({ state: "running" });
  });
});

describeWith(
  "postgres",
  { own: true, config: ["max_slot_wal_keep_size = 1MB", "wal_keep_size = 0"] },
  (server) => {
    test("a server that ends does not wait for an app that takes its time", async () => {
      const { properties, run } = await published(server);
      const answer = Promise.withResolvers<void>();
      const { app, status } = await read({ binding: postgres }, { properties }, async () => {
        await answer.promise;
        return handled;
      });
      await run("INSERT INTO $table SELECT n, 'x' FROM generate_series(1, 100) n");
      await vi.waitFor(() => expect(app.deliveries.length).toBeGreaterThan(10), eventually);
      await expectCleanStop(server);
      answer.resolve();
      await vi.waitFor(() => expect(status()).toMatchObject({ state: "running" }), eventually);
      await vi.waitFor(() => expect(new Set(app.texts).size).toBe(100), eventually);
    });

    test("a server that ends does not wait for a reader that was stopped and whose events are with the app", async () => {
      const { properties, run } = await published(server);
      const input = await openInput(postgres, properties);
      await run("INSERT INTO $table VALUES (1, 'x')");
      await input.next();
      await input.reader.stop();
      await expectCleanStop(server);
    });

    test("a server that ends does not wait for an app that has no room", async () => {
      const { properties, run } = await published(server, "id int PRIMARY KEY, name text", {
        options: "options='-c wal_sender_timeout=3s'",
      });
      const room = Promise.withResolvers<void>();
      const input = await openInput(postgres, properties, { room: () => room.promise });
      await run("INSERT INTO $table VALUES (1, 'x')");
      await input.next();
      await run("INSERT INTO $table SELECT n, repeat('x', 1000) FROM generate_series(2, 20000) n");
      await expectCleanStop(server);
      await input.lost;
      room.resolve();
    });

    test("a slot that the server has given up is a state with its remedy", async () => {
      const { properties, run, slot } = await published(server);
      const { app, status, runtime } = await read({ binding: postgres }, { properties });
      await run("INSERT INTO $table VALUES (1, 'x')");
      await vi.waitFor(() => expect(app.texts).toHaveLength(1), eventually);
      await runtime.pause("orders", "");
      for (let segment = 0; segment < 4; segment++)
        await run(
          "INSERT INTO $table VALUES (2, 'y') ON CONFLICT (id) DO UPDATE SET name = 'z'",
        ).then(() => run("SELECT pg_switch_wal()"));
      await run("CHECKPOINT");
      expect(await slotColumn(server, slot, "wal_status")).toBe("lost");
      await runtime.resume("orders");
      const remedy = `the server has given up replication slot ${slot}`;
      await vi.waitFor(() => expect(status().reason).toContain(remedy), eventually);
      expect(status().reason).toContain(`pg_drop_replication_slot('${slot}')`);
      await dropSlot(server, slot);
      // A runtime without a state folder does not know that it read it, and may be the first to make it.
      await makeSlot(server, slot).catch(() => {});
      await vi.waitFor(() => expect(status()).toMatchObject({ state: "running" }), eventually);
      await run("INSERT INTO $table VALUES (3, 'x')");
      await vi.waitFor(() => expect(app.texts).toHaveLength(2), eventually);
      expect(app.texts[1]).toContain('"id":3');
    });
  },
);

describeWith("postgres", { own: true, config: ["wal_level = replica"] }, (server) => {
  test("a server whose log does not tell changes says what to set", async () => {
    const { properties } = await published(server, undefined, { made: false });
    await expect(openInput(postgres, properties)).rejects.toMatchObject({
      reason: "failed_precondition",
      message: expect.stringMatching(/wal_level is replica.*set wal_level = logical/),
    });
  });
});

/** Ends the server, which is killed after 20 s, and starts it again. */
async function expectCleanStop(server: OwnServer<"postgres">): Promise<void> {
  const ends = (): number => server.log(10_000).split("database system is shut down").length;
  const before = ends();
  await server.stop();
  expect(ends()).toBe(before + 1);
  await server.start();
}
