import { Client } from "pg";
import { expect, onTestFinished, test } from "vitest";
import postgres from "../../../src/bindings/postgres/index.ts";
import { PreparedStatements } from "../../../src/bindings/postgres/prepared-statements.ts";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { openOutput, textOf, type OpenedOutput } from "../opened-output.ts";

type Server = { readonly host: string; readonly port: number; readonly url: string };

const keptByServer = "SELECT count(*)::int FROM pg_prepared_statements";

/** Calls that are made one after another use one connection. */
async function opened(
  { host, port }: Server,
  words = "",
  more: Record<string, string> = {},
): Promise<OpenedOutput> {
  const connectionString = `host=${host} port=${port} user=postgres password=opensesame dbname=postgres sslmode=disable ${words}`;
  const output = await openOutput(postgres, { connectionString, ...more });
  onTestFinished(() => output[Symbol.asyncDispose]());
  return output;
}

async function rows(db: OpenedOutput, sql: string, params: readonly unknown[]): Promise<unknown> {
  const answer = await db.invoke("query", { sql, params: JSON.stringify(params) });
  return JSON.parse(textOf(answer) ?? "");
}

/** How many statements the server keeps for the connection; asked by one that is not kept itself. */
async function kept(db: OpenedOutput): Promise<unknown> {
  const answer = await db.invoke("query", { sql: keptByServer, readOnly: "true" });
  return JSON.parse(textOf(answer) ?? "");
}

async function ask(server: Server, sql: string): Promise<void> {
  const client = new Client(server.url);
  await client.connect();
  await client.query(sql).finally(() => client.end());
}

async function table(server: Server): Promise<string> {
  const name = uniqueName("kept").replaceAll("-", "_");
  await ask(server, `CREATE TABLE ${name} (id int PRIMARY KEY)`);
  return name;
}

describeWith("postgres", (server) => {
  test("a statement is kept for its connection, and runs again with other parameters", async () => {
    const db = await opened(server);
    for (const id of [1, 2, 3]) {
      expect(await rows(db, "SELECT $1::int, $2::text", [id, "a"])).toEqual([[id, "a"]]);
      expect(await kept(db)).toEqual([[1]]);
    }
  });

  test("no more are kept than are allowed, and the server forgets the others", async () => {
    const db = await opened(server, "statement_cache_capacity=2");
    for (const id of [1, 2, 3, 4, 3, 1]) await rows(db, `SELECT ${id}, $1::int`, [id]);
    expect(await kept(db)).toEqual([[2]]);
    await rows(db, "SELECT 3, $1::int", [3]);
    expect(await kept(db)).toEqual([[2]]);
  });

  test.each([
    ["queryExecMode: exec", "", { queryExecMode: "exec" }],
    ["default_query_exec_mode=describe_exec", "default_query_exec_mode=describe_exec", {}],
    ["statement_cache_capacity=0", "statement_cache_capacity=0", {}],
  ])("none is kept with %s", async (_, words, more) => {
    const db = await opened(server, words, more);
    for (const id of [1, 2]) expect(await rows(db, "SELECT $1::int", [id])).toEqual([[id]]);
    expect(await kept(db)).toEqual([[0]]);
  });

  test("a table that changed changes the answer, and no call fails", async () => {
    const db = await opened(server);
    const orders = await table(server);
    const insert = `INSERT INTO ${orders} (id) VALUES ($1) RETURNING *`;
    const select = `SELECT * FROM ${orders} WHERE id = $1`;
    expect(await rows(db, insert, [1])).toEqual([[1]]);
    expect(await rows(db, select, [1])).toEqual([[1]]);
    await ask(server, `ALTER TABLE ${orders} ADD COLUMN note text DEFAULT 'new'`);
    expect(await rows(db, insert, [2])).toEqual([[2, "new"]]);
    expect(await rows(db, select, [2])).toEqual([[2, "new"]]);
    await ask(server, `ALTER TABLE ${orders} ALTER COLUMN id TYPE text`);
    expect(await rows(db, select, ["2"])).toEqual([["2", "new"]]);
    expect(await rows(db, `SELECT count(*) FROM ${orders} WHERE $1`, [true])).toEqual([[2]]);
  });

  test("a connection whose statements got lost has none kept any more", async () => {
    const db = await opened(server);
    const orders = await table(server);
    const insert = `INSERT INTO ${orders} VALUES ($1) RETURNING id`;
    expect(await rows(db, insert, [1])).toEqual([[1]]);
    await db.invoke("exec", { sql: "DEALLOCATE ALL" });
    expect(await rows(db, insert, [2])).toEqual([[2]]);
    expect(await rows(db, insert, [3])).toEqual([[3]]);
    expect(await kept(db)).toEqual([[0]]);
    expect(await rows(db, `SELECT count(*) FROM ${orders} WHERE $1`, [true])).toEqual([[3]]);
  });

  test("a kept statement that fails while it runs is not run again", async () => {
    const db = await opened(server);
    const sequence = `${await table(server)}_numbers`;
    await ask(server, `CREATE SEQUENCE ${sequence}`);
    // A sequence keeps its number when the statement fails.
    const sql = `SELECT 1 / (0 * nextval('${sequence}') + $1::int8)`;
    expect(await rows(db, sql, [1])).toEqual([[1]]);
    const failed = rows(db, sql, [0]);
    await expect(failed).rejects.toMatchObject({ systemCode: "22012", effect: "rejected" });
    expect(await rows(db, `SELECT last_value FROM ${sequence} WHERE $1`, [true])).toEqual([[2]]);
    expect(await rows(db, sql, [1])).toEqual([[1]]);
  });

  test("parameters that do not fit are told as before, and the statement can be used again", async () => {
    const db = await opened(server);
    const sql = "SELECT $1::int";
    expect(await rows(db, sql, [1])).toEqual([[1]]);
    for (const params of [["x"], [1, 2], []])
      await expect(rows(db, sql, params)).rejects.toMatchObject({
        reason: "invalid_argument",
        effect: "rejected",
      });
    expect(await rows(db, sql, [2])).toEqual([[2]]);
  });
});

test("only what the server plans is kept, and no long text", () => {
  const statements = new PreparedStatements(10);
  const isKept = (text: string): boolean => statements.use(text) !== undefined;
  expect(
    ["SELECT 1", " \n with x AS (SELECT 1) DELETE FROM y", "Insert INTO x VALUES ($1)"].every(
      isKept,
    ),
  ).toBe(true);
  expect(
    ["FETCH 1 FROM c", "EXECUTE p", "selector", "BEGIN", "", `SELECT '${"x".repeat(5000)}'`].some(
      isKept,
    ),
  ).toBe(false);
});
