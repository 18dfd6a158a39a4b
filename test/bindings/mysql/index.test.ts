import { createConnection, type RowDataPacket } from "mysql2/promise";
import { afterAll, describe, expect, onTestFinished, test, vi } from "vitest";
import mysql from "../../../src/bindings/mysql/index.ts";
import { MemoryBudget } from "../../../src/memory/budget.ts";
import { FakeApp } from "../../runtime/fake-app.ts";
import { component, startRuntime } from "../../runtime/fake-binding.ts";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { startProxy, type Proxy } from "../../servers/proxy.ts";
import { makeCertificates } from "../certificates.ts";
import { openOutput, textOf, type OpenedOutput } from "../opened-output.ts";

const eventually = { timeout: 15_000, interval: 10 };

type Server = { readonly host: string; readonly port: number; readonly url: string };

function through({ host, port }: { host: string; port: number }, parameters = ""): string {
  return `admin:opensesame@tcp(${host}:${port})/shop${parameters}`;
}

async function opened(server: Server, more: Record<string, string> = {}, signal?: AbortSignal) {
  const output = await openOutput(mysql, { url: through(server), ...more }, signal);
  onTestFinished(() => output[Symbol.asyncDispose]());
  return output;
}

async function ask(server: Server, sql: string): Promise<unknown[][]> {
  const client = await createConnection({ uri: server.url, multipleStatements: true });
  try {
    const [rows] = await client.query<RowDataPacket[][]>({ sql, rowsAsArray: true });
    return rows;
  } finally {
    await client.end();
  }
}

async function table(server: Server, columns = "id bigint"): Promise<string> {
  const name = uniqueName("orders").replaceAll("-", "_");
  await ask(server, `CREATE TABLE ${name} (${columns})`);
  return name;
}

async function rows(db: OpenedOutput, sql: string, params?: unknown): Promise<unknown> {
  const given = params === undefined ? {} : { params: JSON.stringify(params) };
  return JSON.parse(textOf(await db.invoke("query", { sql, ...given })) ?? "");
}

/** How many statements with the text in them run. */
function runningWith(text: string): string {
  return `SELECT count(*) FROM information_schema.processlist WHERE info LIKE '%${text}%' AND id <> connection_id()`;
}

async function untilItRuns(server: Server, text: string): Promise<void> {
  await vi.waitFor(
    async () => expect(await ask(server, runningWith(text))).toEqual([[1]]),
    eventually,
  );
}

describeWith("mariadb", (server) => {
  test("numbers keep their digits, both ways", async () => {
    const db = await opened(server);
    const orders = await table(server, "a bigint, b bigint unsigned, c decimal(40,10), d double");
    const params = "[9007199254740993, 18446744073709551615, 12345678901234567890.123456789, 0.1]";
    await db.invoke("exec", { sql: `INSERT INTO ${orders} VALUES (?, ?, ?, ?)`, params });
    for (const given of [{}, { params: "[1]" }]) {
      const sql = `SELECT * FROM ${orders} ${"params" in given ? "WHERE ?" : ""}`;
      expect(textOf(await db.invoke("query", { sql, ...given }))).toBe(
        '[{"a":9007199254740993,"b":18446744073709551615,"c":"12345678901234567890.1234567890","d":0.1}]',
      );
    }
    const found = { sql: `SELECT d FROM ${orders} WHERE a = ?`, params: "[9007199254740993]" };
    expect(textOf(await db.invoke("query", found))).toBe('[{"d":0.1}]');
  });

  test("parameters have places or names", async () => {
    const db = await opened(server);
    expect(await rows(db, "SELECT ? AS a, ? AS b", [1, "b"])).toEqual([{ a: 1, b: "b" }]);
    const sql = "SELECT :b AS x, :a AS y, :b AS z, ':a' AS s, @v := 1 AS v";
    expect(await rows(db, sql, { a: 1, b: "it's" })).toEqual([
      { x: "it's", y: 1, z: "it's", s: ":a", v: 1 },
    ]);
    await expect(rows(db, "SELECT :missing", {})).rejects.toThrow("names :missing");
  });

  test("times, duration and rows are told", async () => {
    const db = await opened(server);
    const orders = await table(server);
    const sql = `INSERT INTO ${orders} VALUES (1), (2)`;
    const answer = await db.invoke("exec", { sql });
    expect(textOf(answer)).toBe("");
    const instant = expect.stringMatching(/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d*[1-9])?Z$/);
    expect(answer?.metadata).toEqual({
      ...{ operation: "exec", sql, "rows-affected": "2", "start-time": instant },
      ...{ "end-time": instant, duration: expect.stringMatching(/^[\d.]+(µs|ms|s)$/) },
    });
  });

  test("times are in the zone of the URL, and a call's rows in the columns' tables", async () => {
    const db = await opened(server, {
      url: through(server, "?loc=Europe%2FBerlin&columnsWithAlias=true&clientFoundRows=1"),
    });
    const orders = await table(server, "at datetime");
    await ask(
      server,
      `INSERT INTO ${orders} VALUES ('2024-01-02 03:04:05'), ('2024-07-02 03:04:05')`,
    );
    expect(await rows(db, `SELECT * FROM ${orders} AS o ORDER BY at`)).toEqual([
      { "o.at": "2024-01-02T03:04:05+01:00" },
      { "o.at": "2024-07-02T03:04:05+02:00" },
    ]);
    const same = await db.invoke("exec", { sql: `UPDATE ${orders} SET at = at` });
    expect(same?.metadata?.["rows-affected"]).toBe("2");
  });

  test("variables and a collation in the URL are those of every session", async () => {
    const parameters =
      "?sql_mode=%27ANSI_QUOTES%27&time_zone=%27%2B02%3A00%27&collation=utf8mb4_bin&multiStatements=true";
    const db = await opened(server, { url: through(server, parameters), maxOpenConns: "1" });
    const sql = `SELECT 1 AS "a", @@time_zone AS z, @@collation_connection AS c; SELECT 2`;
    for (let n = 0; n < 3; n++)
      expect(await rows(db, sql)).toEqual([{ a: 1, z: "+02:00", c: "utf8mb4_bin" }]);
  });

  test.each([
    ["exec", {}, "required metadata not set: sql"],
    ["query", { sql: "" }, "required metadata not set: sql"],
    ["query", { sql: "SELECT 1", params: "{" }, "invalid metadata property params"],
    ["query", { sql: "SELECT 1", params: "7" }, "invalid metadata property params"],
    ["query", { sql: "SELECT ?", params: "[[1]]" }, "sql: converting argument $1 type"],
    ["query", { sql: "SELECT ?", params: "[1,2]" }, "sql: expected 1 arguments, got 2"],
    ["query", { sql: "SELECT 1\0; DROP TABLE x" }, "sql has a NUL character in it"],
    ["query", { sql: "SELECT 1", readOnly: "maybe" }, "must be true or false"],
    ["query", { sql: "SELECT 1; SELECT 2" }, "Error 1064 (42000)"],
    ["exec", { sql: "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE x" }, "local infile"],
    ["query", { sql: `SELECT ${"x".repeat(65_536)}` }, "Unknown column"],
    ["query", { sql: `SELECT '${"x".repeat(17_000_000)}'` }, "packet for query is too large"],
    ["query", { sql: "SELECT ?", params: JSON.stringify(["x".repeat(17_000_000)]) }, "too large"],
  ])(
    "%s, case %#, is refused, and the connection goes on",
    async (operation, metadata, message) => {
      const db = await opened(server, { maxOpenConns: "2" });
      const refused = (async () => db.invoke(operation, metadata))();
      await expect(refused).rejects.toThrow(message);
      await expect(refused).rejects.toMatchObject({ effect: "rejected" });
      expect(await rows(db, "SELECT 1 AS a")).toEqual([{ a: 1 }]);
    },
  );

  test("no parameter is more than a value", async () => {
    const db = await opened(server);
    const hostile = [
      ...["'; DROP TABLE x; --", String.raw`\'`, "\r\n\0", '`../`"', "🦆\u2028", "?:a@b", ""],
      "x".repeat(65_536),
    ];
    for (const sqlMode of ["", "?sql_mode=NO_BACKSLASH_ESCAPES"]) {
      const other = await opened(server, { url: through(server, sqlMode) });
      for (const value of hostile)
        expect(await rows(other, "SELECT ? AS a", [value])).toEqual([{ a: value }]);
    }
    const named = Object.fromEntries(hostile.map((value, at) => [`p${at}`, value]));
    const list = hostile.map((_, at) => `:p${at} AS p${at}`).join(", ");
    expect(await rows(db, `SELECT ${list}`, named)).toEqual([named]);
  });

  test.each([
    ["SELECT * FROM no_such_table", "invalid_argument", "1146"],
    ["SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'", "failed_precondition", "1644"],
    ["CREATE DATABASE shop", "already_exists", "1007"],
    ["SELECT 9223372036854775807 + 1", "out_of_range", "1690"],
    [
      "SET STATEMENT max_statement_time = 0.05 FOR SELECT SLEEP(5), x.* FROM mysql.user x",
      "cancelled",
      "1969",
    ],
  ])("%j is %s", async (sql, reason, systemCode) => {
    const db = await opened(server);
    const refused = db.invoke("query", { sql });
    await expect(refused).rejects.toMatchObject({ reason, systemCode, effect: "rejected" });
  });

  test("a read-only call changes nothing, whatever it says", async () => {
    const db = await opened(server, { url: through(server, "?multiStatements=true") });
    const orders = await table(server);
    const write = `INSERT INTO ${orders} VALUES (1)`;
    const procedure = `${orders}_commits`;
    await ask(server, `CREATE PROCEDURE ${procedure}() BEGIN COMMIT; ${write}; END`);
    for (const sql of [
      write,
      `${write} RETURNING id`,
      `COMMIT; ${write}`,
      `CALL ${procedure}()`,
      `DROP TABLE ${orders}`,
      "SET TRANSACTION READ WRITE",
    ]) {
      for (const operation of ["exec", "query"])
        await expect(db.invoke(operation, { sql, readOnly: "true" })).rejects.toMatchObject({
          effect: "rejected",
        });
    }
    await db.invoke("exec", { sql: "COMMIT", readOnly: "true" });
    expect(await rows(db, `SELECT count(*) AS n FROM ${orders}`)).toEqual([{ n: 0 }]);
    const answer = await db.invoke("query", {
      sql: "SELECT ? AS a",
      params: "[1]",
      readOnly: "true",
    });
    expect(textOf(answer)).toBe('[{"a":1}]');
    // And the next may write again.
    await db.invoke("exec", { sql: write });
  });

  test("what a call leaves of its session is nobody else's", async () => {
    const db = await opened(server, { maxOpenConns: "1" });
    const orders = await table(server);
    const lock = uniqueName("lock");
    for (const sql of [
      "START TRANSACTION",
      `INSERT INTO ${orders} VALUES (1)`,
      "SET autocommit = 0",
      `INSERT INTO ${orders} VALUES (2)`,
      "SET @mine = 'secret'",
      "SET SESSION sql_mode = 'ANSI_QUOTES'",
      "SET NAMES latin1",
      `CREATE TEMPORARY TABLE mine (id int)`,
      `LOCK TABLES ${orders} WRITE`,
      `SELECT GET_LOCK('${lock}', 0)`,
      "USE mysql",
      "EXECUTE IMMEDIATE 'USE mysql'",
    ])
      await db.invoke("exec", { sql });
    expect(
      await rows(
        db,
        `SELECT @mine AS m, @@autocommit AS a, @@in_transaction AS t, DATABASE() AS d, IS_FREE_LOCK('${lock}') AS l, 'ü' AS u, @@sql_mode LIKE '%ANSI%' AS q`,
      ),
    ).toEqual([{ m: null, a: 1, t: 0, d: "shop", l: 1, u: "ü", q: 0 }]);
    await expect(rows(db, "SELECT * FROM mine")).rejects.toThrow("Error 1146");
    // Each was a transaction of its own.
    expect(await ask(server, `SELECT id FROM ${orders} ORDER BY id`)).toEqual([[1], [2]]);
  });

  test("the pool is bounded; calls wait for a connection, and no longer than the timeout", async () => {
    const mark = uniqueName("pool");
    const db = await opened(server, {
      url: through(server, "?timeout=1s"),
      ...{ maxOpenConns: "2", maxIdleConns: "1" },
    });
    const ids = await Promise.all(
      Array.from({ length: 20 }, () => rows(db, `SELECT connection_id() AS id, SLEEP(0.01)`)),
    );
    expect(new Set(ids.flat().map((row) => (row as { id: number }).id)).size).toBeLessThanOrEqual(
      4,
    );
    const long = [1, 2].map(() => rows(db, `SELECT SLEEP(1.2) AS a, '${mark}' AS b`));
    await expect(rows(db, "SELECT 1")).rejects.toMatchObject({
      ...{ reason: "resource_exhausted", effect: "unsent" },
      message: expect.stringContaining("all 2 connections (maxOpenConns) were in use for 1000 ms"),
    });
    // The heartbeat needs none of them.
    await db.ping();
    await Promise.all(long);
  });

  test.each([
    ["SELECT SLEEP(30), '{mark}'", {}],
    ["SELECT SLEEP(?), '{mark}'", { params: "[30]" }],
  ])("a caller who goes ends %j at the server too", async (text, more) => {
    const db = await opened(server);
    const mark = uniqueName("mark");
    const going = new AbortController();
    const sql = text.replace("{mark}", mark);
    const call = db.invoke("query", { sql, ...more }, { signal: going.signal });
    call.catch(() => undefined);
    await untilItRuns(server, mark);
    going.abort();
    await expect(call).rejects.toMatchObject({ reason: "deadline_exceeded", effect: "ambiguous" });
    await vi.waitFor(
      async () => expect(await ask(server, runningWith(mark))).toEqual([[0]]),
      eventually,
    );
    expect(await rows(db, "SELECT 1 AS a")).toEqual([{ a: 1 }]);
  });

  test("an answer that does not begin for readTimeout is not waited for", async () => {
    const db = await opened(server, { url: through(server, "?readTimeout=100ms") });
    const mark = uniqueName("mark");
    await expect(rows(db, `SELECT SLEEP(30), '${mark}'`)).rejects.toMatchObject({
      ...{ reason: "unavailable", effect: "ambiguous" },
      message: expect.stringContaining("nothing came for 100 ms (readTimeout)"),
    });
    await vi.waitFor(
      async () => expect(await ask(server, runningWith(mark))).toEqual([[0]]),
      eventually,
    );
  });

  test("close is for good", async () => {
    const db = await opened(server);
    const mark = uniqueName("mark");
    const running = rows(db, `SELECT SLEEP(0.1) AS a, '${mark}' AS b`);
    await untilItRuns(server, mark);
    expect(await db.invoke("close")).toBeUndefined();
    expect(await running).toEqual([{ a: 0, b: mark }]);
    await db.invoke("close");
    await db.ping();
    await expect(rows(db, "SELECT 1")).rejects.toThrow("component is closed");
  });

  test("a user needs the rights of the statements alone", async () => {
    const [user, orders] = [uniqueName("u").slice(-20).replaceAll("-", "_"), await table(server)];
    await ask(server, `CREATE USER ${user} IDENTIFIED BY 'hidden'`);
    const { host, port } = server;
    const own = await opened(server, { url: `${user}:hidden@tcp(${host}:${port})/` });
    await own.ping();
    expect(await rows(own, "SELECT 1 AS a")).toEqual([{ a: 1 }]);
    await expect(rows(own, `SELECT * FROM shop.${orders}`)).rejects.toMatchObject({
      ...{ reason: "permission_denied", effect: "rejected", systemCode: "1142" },
    });
    await ask(server, `GRANT SELECT ON shop.${orders} TO ${user}`);
    expect(await rows(own, `SELECT * FROM shop.${orders}`)).toBeNull();
    // Its statements are ended by its own right.
    const mark = uniqueName("mark");
    const sql = `SELECT SLEEP(30), '${mark}'`;
    const late = own.invoke("query", { sql }, { signal: AbortSignal.timeout(200) });
    await expect(late).rejects.toMatchObject({ effect: "ambiguous" });
    await vi.waitFor(
      async () => expect(await ask(server, runningWith(mark))).toEqual([[0]]),
      eventually,
    );
  });

  test("no password is in an error, however it is wrong", async () => {
    const canary = "c4n@ry p/ss";
    for (const url of [
      `admin:${canary}@tcp(${server.host}:${server.port})/shop`,
      `admin:${canary}@tcp(127.0.0.1:1)/shop`,
      `admin:${canary}@nowhere(127.0.0.1)/shop`,
      `admin:${canary}`,
    ]) {
      const error: unknown = await openOutput(mysql, { url }).catch((one: unknown) => one);
      expect(error).toMatchObject({ effect: expect.stringMatching(/unsent|rejected/) });
      const shown = JSON.stringify([String(error), error, (error as Error).cause]);
      for (const form of [
        canary,
        encodeURIComponent(canary),
        Buffer.from(canary).toString("base64"),
      ])
        expect(shown).not.toContain(form);
    }
    const wrong = openOutput(mysql, { url: through(server).replace("opensesame", canary) });
    await expect(wrong).rejects.toMatchObject({
      ...{ reason: "unauthenticated", systemCode: "1045" },
      message: expect.stringContaining("unable to ping the DB: Error 1045 (28000): Access denied"),
    });
  });

  test("as an output that Dapr knows, it reads nothing and asks the app nothing", async () => {
    const app = new FakeApp();
    app.wantsInput = async () => false;
    const { runtime, status, invoke } = startRuntime({ bindings: [mysql], app });
    for (const direction of [{}, { direction: "input, output" }]) {
      const values = { url: through(server), ...direction };
      await runtime.apply([
        component("mysql", {}, { resolve: async () => ({ values, secrets: [] }) }),
      ]);
      expect(status()).toMatchObject({ state: "running" });
      const metadata = { sql: "SELECT 1 AS a" };
      expect(await invoke("orders", "query", undefined, { metadata })).toBe('[{"a":1}]');
    }
    expect(app.asked).toEqual([]);
    expect(app.deliveries).toEqual([]);
  });

  test("an answer that is too large is refused, and the next is there", async () => {
    const budget = new MemoryBudget(2_000_000);
    const { runtime, invoke } = startRuntime({ bindings: [mysql], memory: budget });
    const values = { url: through(server) };
    await runtime.apply([
      component("mysql", {}, { resolve: async () => ({ values, secrets: [] }) }),
    ]);
    const query = (sql: string, operation = "query") =>
      invoke("orders", operation, undefined, { metadata: { sql } });
    const many = "SELECT repeat('x', 1000) AS a FROM seq_1_to_5000";
    // In many rows, and in one.
    for (const sql of [many, "SELECT repeat('x', 5000000) AS a"])
      await expect(query(sql)).rejects.toMatchObject({ reason: "resource_exhausted" });
    expect(await query("SELECT repeat('x', 500000) AS a")).toHaveLength(500_010);
    // Rows that nobody is given take no room.
    await query(many, "exec");
    expect(budget.used).toBe(0);
  });
});

describe("through a proxy", () => {
  describeWith("mariadb", (server) => {
    /** A runtime whose component reaches the server through the proxy. */
    async function start(proxy: Proxy) {
      const started = startRuntime({ bindings: [mysql] });
      const values = { url: through(proxy, "?timeout=1s") };
      await started.runtime.apply([
        component("mysql", {}, { resolve: async () => ({ values, secrets: [] }) }),
      ]);
      const call = (sql: string, metadata: Record<string, string> = {}, signal?: AbortSignal) =>
        started.invoke("orders", "query", undefined, {
          metadata: { sql, ...metadata },
          ...(signal ? { signal } : {}),
        });
      return { ...started, call };
    }

    async function proxyTo(): Promise<Proxy> {
      const proxy = await startProxy(server);
      onTestFinished(() => proxy[Symbol.asyncDispose]());
      return proxy;
    }

    test.each([
      ["as text", {}, "1"],
      ["prepared", { params: "[1]" }, "?"],
    ])(
      "INSERT … RETURNING whose answer is lost (%s): ambiguous, and one row",
      async (_, given, value) => {
        const proxy = await proxyTo();
        const { call } = await start(proxy);
        const orders = await table(server);
        const sql = `INSERT INTO ${orders} VALUES (${value}) RETURNING id, SLEEP(0.5)`;
        const lost = call(sql, given);
        lost.catch(() => undefined);
        await untilItRuns(server, orders);
        // The server's side goes on, and nobody hears it.
        proxy.stall();
        await vi.waitFor(
          async () => expect(await ask(server, `SELECT count(*) FROM ${orders}`)).toEqual([[1]]),
          eventually,
        );
        proxy.cut();
        await expect(lost).rejects.toMatchObject({ reason: "unavailable", effect: "ambiguous" });
        proxy.heal();
        await vi.waitFor(
          async () => expect(await call("SELECT 1 AS a")).toBe('[{"a":1}]'),
          eventually,
        );
        expect(await ask(server, `SELECT count(*) FROM ${orders}`)).toEqual([[1]]);
      },
    );

    test("only a read-only call whose connection is cut is repeated", async () => {
      const proxy = await proxyTo();
      const { call } = await start(proxy);
      const mark = uniqueName("mark");
      const sql = `SELECT SLEEP(0.4) AS a, '${mark}' AS b`;
      const repeated = call(sql, { readOnly: "true" });
      await untilItRuns(server, mark);
      proxy.cut();
      expect(await repeated).toBe(JSON.stringify([{ a: 0, b: mark }]));
      for (const operation of ["query", "exec"]) {
        const again = uniqueName("again");
        const other = (await start(proxy)).invoke("orders", operation, undefined, {
          metadata: { sql: `SELECT SLEEP(0.4) AS a, '${again}' AS b` },
        });
        other.catch(() => undefined);
        await untilItRuns(server, again);
        proxy.cut();
        await expect(other).rejects.toMatchObject({ effect: "ambiguous" });
      }
    });

    test("nothing passes any more: closing waits for nobody", async () => {
      const proxy = await proxyTo();
      const db = await openOutput(mysql, { url: through(proxy), maxOpenConns: "3" });
      await Promise.all([1, 2, 3].map(() => rows(db, "SELECT SLEEP(0.05)")));
      proxy.stall();
      const lost = rows(db, "SELECT 1");
      lost.catch(() => undefined);
      await new Promise(setImmediate);
      const closing = db[Symbol.asyncDispose]().then(() => "closed");
      const late = new Promise((resolve) => setTimeout(resolve, 3000, "late"));
      expect(await Promise.race([closing, late])).toBe("closed");
      await expect(lost).rejects.toMatchObject({
        effect: expect.stringMatching(/ambiguous|unsent/),
      });
    });

    test("a cut in which nothing passes is over when it is over; the pool is made anew", async () => {
      const proxy = await proxyTo();
      const { call, status } = await start(proxy);
      expect(await call("SELECT 1 AS a")).toBe('[{"a":1}]');
      proxy.refuse();
      await vi.waitFor(() => expect(status().state).toBe("reconnecting"), eventually);
      expect(status().reason).toMatch(/unable to ping the DB/);
      proxy.heal();
      await vi.waitFor(() => expect(status().state).toBe("running"), eventually);
      expect(await call("SELECT 2 AS a")).toBe('[{"a":2}]');
      proxy.stall();
      await expect(call("SELECT 3", {}, AbortSignal.timeout(300))).rejects.toMatchObject({
        effect: expect.stringMatching(/ambiguous|unsent/),
      });
      proxy.heal();
      await vi.waitFor(
        async () => expect(await call("SELECT 4 AS a")).toBe('[{"a":4}]'),
        eventually,
      );
    });
  });
});

describe("a server of its own", () => {
  const certificates = makeCertificates();
  const others = makeCertificates();
  afterAll(() => {
    certificates.remove();
    others.remove();
  });

  describeWith("mariadb", { own: true, tls: certificates.server }, (server) => {
    const isEncrypted =
      "SELECT variable_value <> '' AS tls FROM information_schema.session_status WHERE variable_name = 'Ssl_cipher'";

    test.each([
      ["", {}, 0],
      ["?tls=preferred", {}, 1],
      ["?tls=skip-verify", {}, 1],
      ["?tls=custom", { pemPath: certificates.ca }, 1],
      ["?tls=custom", { pemPath: certificates.caPath }, 1],
    ] as const)("TLS by %j, case %#", async (parameters, more, encrypted) => {
      const db = await opened(server, { url: through(server, parameters), ...more });
      expect(await rows(db, isEncrypted)).toEqual([{ tls: encrypted }]);
    });

    test("a certificate of another authority, or for another host, is refused", async () => {
      for (const [parameters, pemPath] of [
        ["?tls=custom", others.ca],
        ["?tls=true", ""],
      ] as const) {
        const refused = openOutput(mysql, { url: through(server, parameters), pemPath });
        await expect(refused).rejects.toMatchObject({ reason: "unavailable", effect: "unsent" });
      }
      const named = through({ host: "ip6-localhost", port: server.port }, "?tls=custom");
      const other = openOutput(mysql, { url: named, pemPath: certificates.ca });
      await expect(other).rejects.toMatchObject({ effect: "unsent" });
    });

    test("over TLS, too, a caller who goes ends the statement, and a cut is ambiguous", async () => {
      await using proxy = await startProxy(server);
      const db = await opened(server, { url: through(proxy, "?tls=skip-verify") });
      const [going, mark] = [new AbortController(), uniqueName("mark")];
      const sql = `SELECT SLEEP(30), '${mark}'`;
      const call = db.invoke("query", { sql }, { signal: going.signal });
      call.catch(() => undefined);
      await untilItRuns(server, mark);
      going.abort();
      await expect(call).rejects.toMatchObject({ effect: "ambiguous" });
      await vi.waitFor(
        async () => expect(await ask(server, runningWith(mark))).toEqual([[0]]),
        eventually,
      );
      const lost = db.invoke("query", { sql });
      lost.catch(() => undefined);
      await untilItRuns(server, mark);
      proxy.cut();
      await expect(lost).rejects.toMatchObject({ reason: "unavailable", effect: "ambiguous" });
    });

    test("a server that restarts is found again", async () => {
      const { runtime, status, invoke } = startRuntime({ bindings: [mysql] });
      const values = { url: through(server, "?tls=preferred") };
      await runtime.apply([
        component("mysql", {}, { resolve: async () => ({ values, secrets: [] }) }),
      ]);
      expect(status().state).toBe("running");
      await server.stop();
      await vi.waitFor(() => expect(status().state).toBe("reconnecting"), eventually);
      await server.start();
      await vi.waitFor(() => expect(status().state).toBe("running"), eventually);
      const metadata = { sql: "SELECT 1 AS a" };
      expect(await invoke("orders", "query", undefined, { metadata })).toBe('[{"a":1}]');
    });
  });

  describeWith("mariadb", { own: true, config: ["max-connections=5"] }, (server) => {
    test("tls=preferred goes on without TLS where there is none; skip-verify does not", async () => {
      const db = await opened(server, { url: through(server, "?tls=preferred") });
      expect(await rows(db, "SELECT 1 AS a")).toEqual([{ a: 1 }]);
      const required = openOutput(mysql, { url: through(server, "?tls=skip-verify") });
      await expect(required).rejects.toThrow("does not support secure connection");
    });

    test("a server that has no room for one more connection says so, and nothing was sent", async () => {
      const db = await opened(server, { maxOpenConns: "50" });
      const calls = await Promise.allSettled(
        Array.from({ length: 12 }, () => rows(db, "SELECT SLEEP(0.2)")),
      );
      const failed = calls.flatMap((call) => (call.status === "rejected" ? [call.reason] : []));
      expect(failed.length).toBeGreaterThan(0);
      for (const error of failed)
        expect(error).toMatchObject({ reason: "unavailable", effect: "unsent" });
    });
  });
});
