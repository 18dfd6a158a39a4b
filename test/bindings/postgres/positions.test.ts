import { expect, test, vi } from "vitest";
import postgres from "../../../src/bindings/postgres/index.ts";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { endAfterTest, read } from "../contract.ts";
import { ask, published, words } from "./databases.ts";

const soon = { timeout: 20_000, interval: 10 };

describeWith("postgres", (server) => {
  const begin = async (properties: Record<string, string>) => {
    const started = await read({ binding: postgres }, { properties });
    await vi.waitFor(() => expect(started.status().state).toBe("running"), soon);
    return started;
  };
  const namesOf = (texts: readonly string[]) =>
    texts.map((text) => (JSON.parse(text) as { after: { name: string } }).after.name);

  test("postgres: Without a position", async () => {
    const { properties, run } = await published(server, undefined, { made: false });
    await run("INSERT INTO $table VALUES (1, 'before')");
    const { app } = await begin(properties);
    await run("INSERT INTO $table VALUES (2, 'after')");
    await vi.waitFor(() => expect(namesOf(app.texts)).toEqual(["after"]), soon);
  });

  test("postgres: After a gap", async () => {
    const { properties, run } = await published(server);
    const first = await begin(properties);
    await first.runtime.close();
    await run("INSERT INTO $table VALUES (1, 'meanwhile')");
    const { app } = await begin(properties);
    await vi.waitFor(() => expect(namesOf(app.texts)).toEqual(["meanwhile"]), soon);

    const channel = uniqueName("orders");
    await ask(server, `SELECT pg_notify('${channel}', 'before')`);
    const listening = { connectionString: words(server), mode: "listen", channels: channel };
    const listener = await begin({ ...listening, direction: "input" });
    await ask(server, `SELECT pg_notify('${channel}', 'after')`);
    await vi.waitFor(() => expect(listener.app.texts).toEqual(["after"]), soon);
  });

  test("postgres: Grows", async () => {
    const { properties, run, table } = await published(server);
    const other = `other_${table}`;
    endAfterTest(() => run(`DROP TABLE ${other}`));
    await run(`CREATE TABLE ${other} (id int PRIMARY KEY, name text)`);
    const { app } = await begin(properties);
    await run(`INSERT INTO ${other} VALUES (1, 'before')`);
    await run(`ALTER PUBLICATION pub_$table ADD TABLE ${other}`);
    await run(`INSERT INTO ${other} VALUES (2, 'after')`);
    await vi.waitFor(() => expect(namesOf(app.texts)).toEqual(["after"]), soon);
  });

  test("postgres: Shrinks", async () => {
    const { properties, run, table } = await published(server);
    const other = `other_${table}`;
    endAfterTest(() => run(`DROP TABLE ${other}`));
    await run(`CREATE TABLE ${other} (id int PRIMARY KEY, name text)`);
    await run(`ALTER PUBLICATION pub_$table ADD TABLE ${other}`);
    await run("INSERT INTO $table VALUES (1, 'before')");
    await run("ALTER PUBLICATION pub_$table DROP TABLE $table");
    await run("INSERT INTO $table VALUES (2, 'after')");
    await run(`INSERT INTO ${other} VALUES (1, 'last')`);
    const { app } = await begin(properties);
    await vi.waitFor(() => expect(namesOf(app.texts).toSorted()).toEqual(["before", "last"]), soon);
  });

  test("postgres: Made anew", async () => {
    const { properties, run } = await published(server);
    const { app } = await begin(properties);
    await run("INSERT INTO $table VALUES (1, 'first')");
    await run("DROP TABLE $table");
    await run("CREATE TABLE $table (id int PRIMARY KEY, name text)");
    await run("INSERT INTO $table VALUES (1, 'between')");
    await run("ALTER PUBLICATION pub_$table ADD TABLE $table");
    await run("INSERT INTO $table VALUES (2, 'second')");
    await vi.waitFor(() => expect(namesOf(app.texts)).toEqual(["first", "second"]), soon);
  });
});
