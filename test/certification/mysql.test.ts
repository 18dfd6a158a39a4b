// The scenarios of Dapr's certification of the MySQL binding, under their names, from a sidecar's API to a real server.
import { expect, test } from "vitest";
import type { ComponentYaml } from "../e2e/daemon.ts";
import { describeWith, uniqueName } from "../servers/describe-with.ts";
import { startProxy } from "../servers/proxy.ts";
import { until } from "../until.ts";
import { durationOf, expectInvoked, invoke, pause, startSidecar, untilState } from "./sidecar.ts";

const limit = { timeout: 120_000 };

function database({ host, port }: { host: string; port: number }): ComponentYaml {
  const url = `admin:opensesame@tcp(${host}:${port})/shop?allowNativePasswords=true&timeout=2s`;
  return { name: "standard-binding", type: "bindings.mysql", metadata: { url } };
}

describeWith("mariadb", (mariadb) => {
  async function sidecar(address: { host: string; port: number }) {
    const daemon = await startSidecar([database(address)]);
    await untilState(daemon, "standard-binding");
    const table = uniqueName("certified").replaceAll("-", "_");
    const exec = (sql: string, params?: string) =>
      expectInvoked(daemon, "standard-binding", "exec", params ? { sql, params } : { sql });
    const query = (sql: string, params?: string) =>
      expectInvoked(daemon, "standard-binding", "query", params ? { sql, params } : { sql });
    await exec(`CREATE TABLE ${table} (id INT, c1 TEXT, ts TIMESTAMP)`);
    return { daemon, table, exec, query };
  }

  test("TestMysql: exec, query and close", limit, async () => {
    const { daemon, table, exec, query } = await sidecar(mariadb);
    await exec(`INSERT INTO ${table} (id, c1, ts) VALUES (1, 'demo', '2020-09-24 11:45:05');`);
    await exec(
      `INSERT INTO ${table} (id, c1, ts) VALUES (?, ?, ?);`,
      '[2, "demo2", "2020-09-24 12:45:05"]',
    );
    const first = '{"c1":"demo","id":1,"ts":"2020-09-24T11:45:05Z"}';
    const second = '{"c1":"demo2","id":2,"ts":"2020-09-24T12:45:05Z"}';
    expect(await query(`SELECT * FROM ${table} WHERE id = 1;`)).toBe(`[${first}]`);
    const both = await query(`SELECT * FROM ${table} WHERE id IN (?, ?) ORDER BY id;`, "[1, 2]");
    expect(both).toBe(`[${first},${second}]`);
    await expectInvoked(daemon, "standard-binding", "close");
    const closed = await invoke(daemon, "standard-binding", "query", { sql: "SELECT 1" });
    expect(closed).toMatchObject({
      ok: false,
      text: expect.stringContaining("component is closed"),
    });
  });

  test("the ability to use named parameters in queries", limit, async () => {
    const { table, exec, query } = await sidecar(mariadb);
    await exec(`INSERT INTO ${table} (id, c1) VALUES (:id, :name)`, '{"id": 1, "name": "x"}');
    const found = query(`SELECT id FROM ${table} WHERE c1 = :name OR c1 = :name`, '{"name": "x"}');
    expect(await found).toBe('[{"id":1}]');
  });

  test("TestMysqlNetworkError: a network cut of 20 s, then a query", limit, async () => {
    await using proxy = await startProxy(mariadb);
    const { daemon, table, exec, query } = await sidecar(proxy);
    await exec(`INSERT INTO ${table} (id, c1, ts) VALUES (1, 'demo', '2020-09-24 11:45:05');`);
    expect(await query(`SELECT id FROM ${table}`)).toBe('[{"id":1}]');
    proxy.stall();
    await pause(durationOf(20));
    proxy.cut();
    proxy.heal();
    const sql = `SELECT * FROM ${table} WHERE id = 1;`;
    await until(async () => (await invoke(daemon, "standard-binding", "query", { sql })).ok, {
      what: () => `the output to work again:\n${daemon.output()}`,
      within: 60_000,
    });
    await exec(`INSERT INTO ${table} (id) VALUES (2)`);
    expect(await query(`SELECT COUNT(*) AS n FROM ${table}`)).toBe('[{"n":2}]');
  });

  test("TestMysqlExecEncoding: how many rows were changed is told as text", limit, async () => {
    const { daemon, table } = await sidecar(mariadb);
    const affected = async (sql: string): Promise<string | null> => {
      const answer = await fetch(
        `http://127.0.0.1:${daemon.httpPort}/v1.0/bindings/standard-binding`,
        { method: "POST", body: JSON.stringify({ operation: "exec", metadata: { sql } }) },
      );
      for (const name of ["start-time", "end-time", "duration"])
        expect(answer.headers.get(`metadata.${name}`)).toBeTruthy();
      expect(answer.headers.get("metadata.operation")).toBe("exec");
      expect(answer.headers.get("metadata.sql")).toBe(sql);
      return answer.headers.get("metadata.rows-affected");
    };
    expect(await affected(`INSERT INTO ${table} (id, c1) VALUES (1, 'test1');`)).toBe("1");
    expect(await affected(`UPDATE ${table} SET c1 = 'updated' WHERE id = 1;`)).toBe("1");
    expect(await affected(`INSERT INTO ${table} (id) VALUES (2), (3);`)).toBe("2");
    expect(await affected(`DELETE FROM ${table} WHERE id IN (2, 3);`)).toBe("2");
    expect(await affected(`UPDATE ${table} SET c1 = 'no-match' WHERE id = 999;`)).toBe("0");
  });
});
