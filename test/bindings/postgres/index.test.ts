import { Client } from "pg";
import { afterAll, describe, expect, onTestFinished, test, vi } from "vitest";
import postgres from "../../../src/bindings/postgres/index.ts";
import { MemoryBudget } from "../../../src/memory/budget.ts";
import { FakeApp } from "../../runtime/fake-app.ts";
import { component, startRuntime } from "../../runtime/fake-binding.ts";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { startProxy, type Proxy } from "../../servers/proxy.ts";
import { makeCertificates } from "../certificates.ts";
import { openOutput, textOf, type OpenedOutput } from "../opened-output.ts";

const eventually = { timeout: 15_000, interval: 10 };

type Server = { readonly host: string; readonly port: number; readonly url: string };

function through({ host, port }: { host: string; port: number }, words = ""): string {
  return `host=${host} port=${port} user=postgres password=opensesame dbname=postgres sslmode=disable ${words}`;
}

async function opened(server: Server, more: Record<string, string> = {}, signal?: AbortSignal) {
  const output = await openOutput(postgres, { connectionString: through(server), ...more }, signal);
  onTestFinished(() => output[Symbol.asyncDispose]());
  return output;
}

async function ask(server: Server, sql: string): Promise<unknown[][]> {
  const client = new Client(server.url);
  await client.connect();
  try {
    return (await client.query<unknown[]>({ text: sql, rowMode: "array" })).rows;
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

describeWith("postgres", (server) => {
  test("numbers keep their digits, both ways", async () => {
    const db = await opened(server);
    const params = '[9007199254740993, 12345678901234567890.123456789, {"n": 9007199254740993}]';
    const sql = "SELECT $1::int8, $2::numeric, $3::jsonb";
    expect(textOf(await db.invoke("query", { sql, params }))).toBe(
      '[[9007199254740993,12345678901234567890.123456789,{"n":9007199254740993}]]',
    );
  });

  test("parameters have places or names; arrays are what the parameter is", async () => {
    const db = await opened(server);
    expect(await rows(db, "SELECT $2::text, $1::int", [1, "b"])).toEqual([["b", 1]]);
    expect(await rows(db, "SELECT @b::text, @a::int, @b", { a: 1, b: "it's" })).toEqual([
      ["it's", 1, "it's"],
    ]);
    expect(
      await rows(db, "SELECT $1::text[], $2::jsonb, $3::bool[]", [
        ['a"\\,b', null],
        [1, [true, "x"]],
        [true, false],
      ]),
    ).toEqual([
      [
        ['a"\\,b', null],
        [1, [true, "x"]],
        [true, false],
      ],
    ]);
    await expect(rows(db, "SELECT @missing::int", {})).rejects.toThrow("names @missing");
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

  test.each([
    ["exec", {}, "required metadata not set: sql"],
    ["query", { sql: "" }, "required metadata not set: sql"],
    ["query", { sql: "SELECT 1", params: "{" }, "invalid metadata property params"],
    ["query", { sql: "SELECT 1", params: "7" }, "invalid metadata property params"],
    ["query", { sql: "SELECT 1\0; DROP TABLE x" }, "sql has a NUL character in it"],
    ["query", { sql: "SELECT $1::text", params: String.raw`["a\u0000b"]` }, "0x00"],
    ["query", { sql: "SELECT 1", readOnly: "maybe" }, "must be true or false"],
    ["query", { sql: "SELECT 1; SELECT 2" }, "cannot insert multiple commands"],
    ["exec", { sql: "COPY pg_class FROM STDIN" }, "COPY FROM STDIN has no data here"],
    ["query", { sql: `SELECT '${"x".repeat(65_536)}'::int` }, "invalid input syntax"],
    [
      "query",
      { sql: "SELECT $1::int", params: JSON.stringify(["1; DROP TABLE x\r\n'\"../"]) },
      "22P02",
    ],
  ])("%s of %j is refused, and the connection goes on", async (operation, metadata, message) => {
    const db = await opened(server, { maxConns: "2" });
    const refused = (async () => db.invoke(operation, metadata))();
    await expect(refused).rejects.toThrow(message);
    await expect(refused).rejects.toMatchObject({ effect: "rejected" });
    expect(await rows(db, "SELECT 1")).toEqual([[1]]);
  });

  test.each([
    ["SELECT 1/0", "invalid_argument", "22012"],
    ["SELECT * FROM no_such_table", "invalid_argument", "42P01"],
    ["DO $$ BEGIN RAISE EXCEPTION 'no'; END $$", "failed_precondition", "P0001"],
    ["SELECT 99999999999999999999::int8", "out_of_range", "22003"],
  ])("%j is %s", async (sql, reason, systemCode) => {
    const db = await opened(server);
    const refused = db.invoke("query", { sql });
    await expect(refused).rejects.toMatchObject({ reason, systemCode, effect: "rejected" });
  });

  test("a read-only call changes nothing, whatever it says", async () => {
    const db = await opened(server);
    const orders = await table(server);
    const write = `INSERT INTO ${orders} VALUES (1)`;
    for (const sql of [
      write,
      `COMMIT; ${write}`,
      `DO $$ BEGIN SET LOCAL transaction_read_only = off; ${write}; END $$`,
      `DO $$ BEGIN COMMIT; ${write}; END $$`,
    ]) {
      for (const operation of ["exec", "query"])
        await expect(db.invoke(operation, { sql, readOnly: "true" })).rejects.toMatchObject({
          effect: "rejected",
        });
    }
    // Each of them alone ends its transaction at most.
    for (const sql of ["COMMIT", "SET TRANSACTION READ WRITE"])
      await db.invoke("exec", { sql, readOnly: "true" });
    expect(await rows(db, `SELECT count(*) FROM ${orders}`)).toEqual([[0]]);
    const answer = await db.invoke("query", {
      sql: "SELECT $1::int",
      params: "[1]",
      readOnly: "true",
    });
    expect(textOf(answer)).toBe("[[1]]");
  });

  test("a transaction that a call leaves open is nobody else's", async () => {
    const db = await opened(server, { maxConns: "2" });
    const orders = await table(server);
    for (const more of ["", "; SELECT 1/0"]) {
      const sql = `BEGIN; INSERT INTO ${orders} VALUES (1)${more}`;
      await db.invoke("exec", { sql }).catch(() => undefined);
      for (let n = 0; n < 4; n++)
        expect(await rows(db, "SELECT pg_current_xact_id_if_assigned()::text")).toEqual([[null]]);
    }
    expect(await ask(server, `SELECT count(*)::int FROM ${orders}`)).toEqual([[0]]);
  });

  test("the pool is bounded; calls wait for a connection, and no longer than timeout", async () => {
    const name = uniqueName("pool");
    const db = await opened(server, {
      connectionString: through(server, `application_name=${name}`),
      ...{ maxConns: "2", timeout: "1s" },
    });
    const count = `SELECT count(*)::int FROM pg_stat_activity WHERE application_name = '${name}'`;
    await Promise.all(Array.from({ length: 20 }, () => rows(db, "SELECT pg_sleep(0.01)")));
    expect(await ask(server, count)).toEqual([[2]]);
    const long = [1, 2].map(() => rows(db, "SELECT pg_sleep(1.5)"));
    await expect(rows(db, "SELECT 1")).rejects.toMatchObject({
      ...{ reason: "resource_exhausted", effect: "unsent" },
      message: expect.stringContaining("all 2 connections (maxConns) were in use for 1000 ms"),
    });
    // The heartbeat needs none of them.
    await db.ping();
    await Promise.all(long);
    await db[Symbol.asyncDispose]();
    await vi.waitFor(async () => expect(await ask(server, count)).toEqual([[0]]), eventually);
  });

  test("a caller who goes ends the statement at the server too", async () => {
    const db = await opened(server);
    const mark = uniqueName("mark");
    const going = new AbortController();
    const sql = `SELECT pg_sleep(30), '${mark}'`;
    const running = `SELECT count(*)::int FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%${mark}%' AND pid <> pg_backend_pid()`;
    const call = db.invoke("query", { sql }, { signal: going.signal });
    call.catch(() => undefined);
    await vi.waitFor(async () => expect(await ask(server, running)).toEqual([[1]]), eventually);
    going.abort();
    await expect(call).rejects.toMatchObject({ reason: "deadline_exceeded", effect: "ambiguous" });
    await vi.waitFor(async () => expect(await ask(server, running)).toEqual([[0]]), eventually);
    expect(await rows(db, "SELECT 1")).toEqual([[1]]);
  });

  test("close is for good", async () => {
    const db = await opened(server);
    expect(await db.invoke("close")).toBeUndefined();
    await db.invoke("close");
    await db.ping();
    await expect(rows(db, "SELECT 1")).rejects.toThrow("component is closed");
  });

  test("a user needs the rights of the statements alone", async () => {
    const [user, orders] = [uniqueName("user").replaceAll("-", "_"), await table(server)];
    const database = uniqueName("db").replaceAll("-", "_");
    await ask(server, `CREATE ROLE ${user} LOGIN PASSWORD 'hidden'`);
    await ask(server, `CREATE DATABASE ${database}`);
    await ask(server, `REVOKE ALL ON DATABASE ${database} FROM PUBLIC`);
    await ask(server, `GRANT CONNECT ON DATABASE ${database} TO ${user}`);
    const own = await opened(server, { user, password: "hidden", database });
    await own.ping();
    expect(await rows(own, "SELECT 1")).toEqual([[1]]);
    const db = await opened(server, { user, password: "hidden" });
    await expect(rows(db, `SELECT * FROM ${orders}`)).rejects.toMatchObject({
      ...{ reason: "permission_denied", effect: "rejected", systemCode: "42501" },
    });
    await ask(server, `GRANT SELECT ON ${orders} TO ${user}`);
    expect(await rows(db, `SELECT * FROM ${orders}`)).toEqual([]);
  });

  test("no password is in an error, however it is wrong", async () => {
    const canary = "c4n@ry p/ss";
    const wrong = [
      {
        connectionString: `postgres://postgres:${encodeURIComponent(canary)}@${server.host}:${server.port}/postgres`,
      },
      { connectionString: through(server), password: canary },
      { connectionString: `postgres://postgres:${canary}@${server.host}/x` },
      { connectionString: `host=127.0.0.1 port=1 password='${canary}' sslmode=disable` },
    ];
    for (const properties of wrong) {
      const error: unknown = await openOutput(postgres, properties).catch((one: unknown) => one);
      expect(error).toMatchObject({ effect: expect.stringMatching(/unsent|rejected/) });
      const shown = JSON.stringify([String(error), error, (error as Error).cause]);
      for (const form of [
        canary,
        encodeURIComponent(canary),
        Buffer.from(canary).toString("base64"),
      ])
        expect(shown).not.toContain(form);
    }
    await expect(openOutput(postgres, wrong[1] ?? {})).rejects.toMatchObject({
      reason: "unauthenticated",
      message: expect.stringContaining("unable to connect to the DB: "),
    });
  });

  test("a server that echoes the password shows it to nobody", async () => {
    const [user, password] = [uniqueName("user").replaceAll("-", "_"), "c4n@ry p/ss"];
    await ask(server, `CREATE ROLE ${user} LOGIN PASSWORD '${password}'`);
    const { host, port } = server;
    const connectionString = `postgres://${user}:${encodeURIComponent(password)}@${host}:${port}/postgres`;
    const db = await opened(server, { connectionString });
    const forms = [
      ...[password, encodeURIComponent(password)],
      ...(["base64", "base64url", "hex"] as const).map((form) =>
        Buffer.from(password).toString(form),
      ),
    ];
    for (const form of forms) {
      const sql = "SELECT $1::int";
      const params = JSON.stringify([`told ${form}`]);
      const error: unknown = await db.invoke("query", { sql, params }).catch((one: unknown) => one);
      expect(String(error)).toContain('integer: "told ***"');
      expect(JSON.stringify(error)).not.toContain(form);
    }
  });

  test("as an output that Dapr knows, it reads nothing and asks the app nothing", async () => {
    const app = new FakeApp();
    app.wantsInput = async () => false;
    const { runtime, status, invoke } = startRuntime({ bindings: [postgres], app });
    for (const direction of [{}, { direction: "input, output" }]) {
      const values = { connectionString: through(server), ...direction };
      const resolve = async () => ({ values, secrets: [] });
      await runtime.apply([component("postgres", {}, { resolve })]);
      expect(status()).toMatchObject({ state: "running" });
      const metadata = { sql: "SELECT 1" };
      expect(await invoke("orders", "query", undefined, { metadata })).toBe("[[1]]");
    }
    expect(app.asked).toEqual([]);
    expect(app.deliveries).toEqual([]);
  });

  test("an answer that is too large is refused, and the next is there", async () => {
    const budget = new MemoryBudget(2_000_000);
    const { runtime, invoke } = startRuntime({ bindings: [postgres], memory: budget });
    const values = { connectionString: through(server) };
    await runtime.apply([
      component("postgres", {}, { resolve: async () => ({ values, secrets: [] }) }),
    ]);
    const query = (sql: string, operation = "query") =>
      invoke("orders", operation, undefined, { metadata: { sql } });
    // In many rows, and in one.
    for (const sql of [
      "SELECT repeat('x', 1000) FROM generate_series(1, 5000)",
      "SELECT repeat('x', 5000000)",
    ])
      await expect(query(sql)).rejects.toMatchObject({ reason: "resource_exhausted" });
    expect(await query("SELECT repeat('x', 500000)")).toHaveLength(500_006);
    // Rows that nobody is given take no room.
    await query("SELECT repeat('x', 1000) FROM generate_series(1, 5000)", "exec");
    expect(budget.used).toBe(0);
  });
});

describe("through a proxy", () => {
  describeWith("postgres", (server) => {
    /** A runtime whose component reaches the server through the proxy. */
    async function start(proxy: Proxy, more: Record<string, string> = {}) {
      const started = startRuntime({ bindings: [postgres] });
      const values = { connectionString: through(proxy), timeout: "1s", ...more };
      await started.runtime.apply([
        component("postgres", {}, { resolve: async () => ({ values, secrets: [] }) }),
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
      ["in parts", "SELECT pg_sleep(0.5), id FROM inserted"],
      ["whole", "SELECT id, pg_sleep(0.5) FROM inserted"],
    ])(
      "INSERT … RETURNING whose answer is lost (%s): ambiguous, and one row",
      async (_, select) => {
        const proxy = await proxyTo();
        const { call } = await start(proxy);
        const orders = await table(server);
        const sql = `WITH inserted AS (INSERT INTO ${orders} VALUES (1) RETURNING id) ${select}`;
        const lost = call(sql);
        lost.catch(() => undefined);
        const running = `SELECT count(*)::int FROM pg_stat_activity WHERE query LIKE '%${orders}%' AND state = 'active' AND pid <> pg_backend_pid()`;
        await vi.waitFor(async () => expect(await ask(server, running)).toEqual([[1]]), eventually);
        // The server's side goes on, and nobody hears it.
        proxy.stall();
        await vi.waitFor(
          async () =>
            expect(await ask(server, `SELECT count(*)::int FROM ${orders}`)).toEqual([[1]]),
          eventually,
        );
        proxy.cut();
        await expect(lost).rejects.toMatchObject({ reason: "unavailable", effect: "ambiguous" });
        proxy.heal();
        await vi.waitFor(async () => expect(await call("SELECT 1")).toBe("[[1]]"), eventually);
        expect(await ask(server, `SELECT count(*)::int FROM ${orders}`)).toEqual([[1]]);
      },
    );

    test("only a read-only call whose connection is cut is repeated", async () => {
      const proxy = await proxyTo();
      const { call } = await start(proxy);
      const mark = uniqueName("mark");
      const sql = `SELECT pg_sleep(0.4), '${mark}'`;
      const running = `SELECT count(*)::int FROM pg_stat_activity WHERE query LIKE '%${mark}%' AND state = 'active' AND pid <> pg_backend_pid()`;
      const untilItRuns = () =>
        vi.waitFor(async () => expect(await ask(server, running)).toEqual([[1]]), eventually);
      const repeated = call(sql, { readOnly: "true" });
      await untilItRuns();
      proxy.cut();
      expect(await repeated).toBe(JSON.stringify([["", mark]]));
      const other = call(`${sql} -- again`);
      other.catch(() => undefined);
      await untilItRuns();
      proxy.cut();
      await expect(other).rejects.toMatchObject({ effect: "ambiguous" });
    });

    test("nothing passes any more: closing waits for nobody", async () => {
      const proxy = await proxyTo();
      const db = await openOutput(postgres, { connectionString: through(proxy), maxConns: "3" });
      await Promise.all([1, 2, 3].map(() => rows(db, "SELECT pg_sleep(0.05)")));
      proxy.stall();
      const lost = rows(db, "SELECT 1");
      lost.catch(() => undefined);
      await new Promise(setImmediate);
      const closing = db[Symbol.asyncDispose]().then(() => "closed");
      const late = new Promise((resolve) => setTimeout(resolve, 3000, "late"));
      expect(await Promise.race([closing, late])).toBe("closed");
      await expect(lost).rejects.toMatchObject({ effect: "ambiguous" });
    });

    test("a cut in which nothing passes is over when it is over; the pool is made anew", async () => {
      const proxy = await proxyTo();
      const { call, status } = await start(proxy);
      expect(await call("SELECT 1")).toBe("[[1]]");
      proxy.refuse();
      await vi.waitFor(() => expect(status().state).toBe("reconnecting"), eventually);
      expect(status().reason).toMatch(/unable to connect to the DB|failed to ping the DB/);
      proxy.heal();
      await vi.waitFor(() => expect(status().state).toBe("running"), eventually);
      expect(await call("SELECT 2")).toBe("[[2]]");
      proxy.stall();
      await expect(call("SELECT 3", {}, AbortSignal.timeout(300))).rejects.toMatchObject({
        effect: expect.stringMatching(/ambiguous|unsent/),
      });
      proxy.heal();
      await vi.waitFor(async () => expect(await call("SELECT 4")).toBe("[[4]]"), eventually);
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

  describeWith("postgres", { own: true, tls: certificates.server }, (server) => {
    const at = (host: string, sslmode: string) =>
      `host=${host} port=${server.port} user=postgres password=opensesame dbname=postgres sslmode=${sslmode}`;
    const isEncrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

    test.each([
      ["disable", {}, false],
      ["prefer", {}, true],
      ["require", {}, true],
      ["verify-ca", { sslRootCert: certificates.ca }, true],
      ["verify-full", { sslRootCert: certificates.caPath }, true],
    ] as const)("TLS by sslmode=%s", async (sslmode, more, encrypted) => {
      const db = await opened(server, { connectionString: at(server.host, sslmode), ...more });
      expect(await rows(db, isEncrypted)).toEqual([[encrypted]]);
    });

    test("a certificate of another authority, or for another host, is refused", async () => {
      const verified = { connectionString: at(server.host, "verify-full") };
      const other = openOutput(postgres, { ...verified, sslRootCert: others.ca });
      await expect(other).rejects.toMatchObject({ reason: "unavailable", effect: "unsent" });
      const named = { host: "db.example.com", hostaddr: server.host, sslRootCert: certificates.ca };
      await expect(openOutput(postgres, { ...verified, ...named })).rejects.toThrow(/altnames/);
    });

    test("a caller who goes ends the statement over TLS too", async () => {
      const db = await opened(server, { connectionString: at(server.host, "require") });
      const going = new AbortController();
      const call = db.invoke("query", { sql: "SELECT pg_sleep(30)" }, { signal: going.signal });
      call.catch(() => undefined);
      const running =
        "SELECT count(*)::int FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()";
      await vi.waitFor(async () => expect(await ask(server, running)).toEqual([[1]]), eventually);
      going.abort();
      await expect(call).rejects.toMatchObject({ effect: "ambiguous" });
      await vi.waitFor(async () => expect(await ask(server, running)).toEqual([[0]]), eventually);
    });

    test("a server that restarts is found again", async () => {
      const { runtime, status, invoke } = startRuntime({ bindings: [postgres] });
      const values = { connectionString: at(server.host, "require") };
      await runtime.apply([
        component("postgres", {}, { resolve: async () => ({ values, secrets: [] }) }),
      ]);
      expect(status().state).toBe("running");
      await server.stop();
      await vi.waitFor(() => expect(status().state).toBe("reconnecting"), eventually);
      await server.start();
      await vi.waitFor(() => expect(status().state).toBe("running"), eventually);
      const metadata = { sql: "SELECT 1" };
      expect(await invoke("orders", "query", undefined, { metadata })).toBe("[[1]]");
    });
  });

  describeWith("postgres", { own: true }, (server) => {
    test("sslmode=prefer goes on without TLS where there is none; require does not", async () => {
      const words = `host=${server.host} port=${server.port} user=postgres password=opensesame dbname=postgres`;
      const db = await opened(server, { connectionString: words });
      expect(await rows(db, "SELECT 1")).toEqual([[1]]);
      const required = openOutput(postgres, { connectionString: `${words} sslmode=require` });
      await expect(required).rejects.toThrow("does not support SSL");
    });
  });
});
