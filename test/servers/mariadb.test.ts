import { createConnection, type RowDataPacket } from "mysql2/promise";
import { expect, test } from "vitest";
import { describeWith, uniqueName } from "./describe-with.ts";
import { isAlive } from "./ports.ts";

async function ask(url: string, sql: string): Promise<unknown[][]> {
  const client = await createConnection(url);
  try {
    return (await client.query<RowDataPacket[][]>({ sql, rowsAsArray: true }))[0];
  } finally {
    await client.end();
  }
}

describeWith("mariadb", (mariadb) => {
  test("answers at its address", async () => {
    expect(await ask(mariadb.url, "SELECT 'hello'")).toEqual([["hello"]]);
  });
});

describeWith("mariadb", { own: true, config: ["max-connections=17"] }, (mariadb) => {
  test("keeps its data over a restart and over a kill, and has the options it was given", async () => {
    const table = uniqueName("kept").replaceAll("-", "_");
    await ask(mariadb.url, `CREATE TABLE ${table} AS SELECT 'yes' AS value`);
    await mariadb.restart();
    expect(await ask(mariadb.url, `SELECT * FROM ${table}`)).toEqual([["yes"]]);
    await mariadb.kill();
    await mariadb.start();
    expect(await ask(mariadb.url, "SELECT @@max_connections")).toEqual([[17]]);
  });

  test("is gone after stop, though clients are connected", async () => {
    const client = await createConnection(mariadb.url);
    client.on("error", () => undefined);
    const pid = mariadb.pid ?? 0;
    await mariadb.stop();
    expect(isAlive(pid)).toBe(false);
    await expect(ask(mariadb.url, "SELECT 1")).rejects.toThrow(/ECONNREFUSED/);
  });
});
