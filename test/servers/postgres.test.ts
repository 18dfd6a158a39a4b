import { Client } from "pg";
import { expect, test } from "vitest";
import { describeWith, uniqueName } from "./describe-with.ts";
import { isAlive } from "./ports.ts";

async function ask(url: string, sql: string): Promise<unknown[]> {
  const client = new Client(url);
  await client.connect();
  try {
    return (await client.query<{ value: unknown }>(sql)).rows.map(({ value }) => value);
  } finally {
    await client.end();
  }
}

describeWith("postgres", (postgres) => {
  test("answers at its address", async () => {
    expect(await ask(postgres.url, "SELECT 'hello' AS value")).toEqual(["hello"]);
  });
});

describeWith("postgres", { own: true, config: ["max_connections = 17"] }, (postgres) => {
  test("keeps its data over a restart and over a kill, and has the options it was given", async () => {
    const table = uniqueName("kept").replaceAll("-", "_");
    await ask(postgres.url, `CREATE TABLE ${table} AS SELECT 'yes' AS value`);
    await postgres.restart();
    expect(await ask(postgres.url, `TABLE ${table}`)).toEqual(["yes"]);
    await postgres.kill();
    await postgres.start();
    expect(await ask(postgres.url, "SELECT current_setting('max_connections') AS value")).toEqual([
      "17",
    ]);
  });

  test("is gone after stop, though clients are connected", async () => {
    const client = new Client(postgres.url);
    client.on("error", () => undefined);
    await client.connect();
    const pid = postgres.pid ?? 0;
    await postgres.stop();
    expect(isAlive(pid)).toBe(false);
    await expect(ask(postgres.url, "SELECT 1")).rejects.toThrow(/ECONNREFUSED/);
  });
});
