// The scenarios of Dapr's certification of the PostgreSQL binding, under their names, from a sidecar's API to a real server.
import { expect, test } from "vitest";
import type { ComponentYaml } from "../e2e/daemon.ts";
import { describeWith, uniqueName } from "../servers/describe-with.ts";
import { startProxy } from "../servers/proxy.ts";
import { until } from "../until.ts";
import { durationOf, expectInvoked, invoke, pause, startSidecar, untilState } from "./sidecar.ts";

const limit = { timeout: 120_000 };

function database({ host, port }: { host: string; port: number }): ComponentYaml {
  const connectionString = `host=${host} port=${port} user=postgres password=opensesame dbname=postgres sslmode=disable`;
  return { name: "db", type: "bindings.postgresql", metadata: { connectionString, timeout: "2s" } };
}

describeWith("postgres", (postgres) => {
  test("exec, query and close", limit, async () => {
    const daemon = await startSidecar([database(postgres)]);
    await untilState(daemon, "db");
    const table = uniqueName("certified").replaceAll("-", "_");
    const exec = (sql: string, params = "[]") =>
      expectInvoked(daemon, "db", "exec", { sql, params });
    const query = (sql: string) => expectInvoked(daemon, "db", "query", { sql });
    await exec(`CREATE TABLE ${table} (id bigint, v text, ts timestamp)`);
    await exec(`INSERT INTO ${table} VALUES ($1, $2, $3)`, '[1, "demo", "2020-09-24T11:45:05Z"]');
    await exec(`UPDATE ${table} SET v = $1 WHERE id = $2`, '["changed", 1]');
    expect(await query(`SELECT * FROM ${table}`)).toBe('[[1,"changed","2020-09-24T11:45:05Z"]]');
    await exec(`DELETE FROM ${table} WHERE id = $1`, "[1]");
    expect(await query(`SELECT * FROM ${table}`)).toBe("[]");
    await expectInvoked(daemon, "db", "close");
    const closed = await invoke(daemon, "db", "query", { sql: "SELECT 1" });
    expect(closed).toMatchObject({
      ok: false,
      text: expect.stringContaining("component is closed"),
    });
  });

  test("named parameters", limit, async () => {
    const daemon = await startSidecar([database(postgres)]);
    await untilState(daemon, "db");
    const sql = "SELECT @id::int, @name::text, @id";
    const answer = expectInvoked(daemon, "db", "query", { sql, params: '{"id":1,"name":"x"}' });
    expect(await answer).toBe('[[1,"x",1]]');
  });

  test("a network cut of 20 s, then a query", limit, async () => {
    await using proxy = await startProxy(postgres);
    const daemon = await startSidecar([database(proxy)]);
    await untilState(daemon, "db");
    expect(await expectInvoked(daemon, "db", "query", { sql: "SELECT 1" })).toBe("[[1]]");
    proxy.stall();
    await pause(durationOf(20));
    proxy.cut();
    proxy.heal();
    await until(async () => (await invoke(daemon, "db", "query", { sql: "SELECT 2" })).ok, {
      what: () => `the output to work again:\n${daemon.output()}`,
      within: 60_000,
    });
    expect(await expectInvoked(daemon, "db", "query", { sql: "SELECT 3" })).toBe("[[3]]");
  });
});
