import { Client } from "pg";
import { floor, start, type Running } from "../subject.ts";
import { plainPayload } from "../wire/payload.ts";
import { callContender, grpcTarget, startDaemon } from "./calls.ts";
import type { Bench, ContenderName, Requirement, Row } from "./row.ts";

const latencyRate = 1000;
const connections = 8;

const requirements: readonly Requirement[] = [
  { measure: "cpu", contender: "cufflink", of: "floor", atMost: 1.5 },
  { measure: "cpu", contender: "cufflink", of: "daprd", atMost: 0.75 },
  { measure: "rate", contender: "cufflink", of: "daprd", atLeast: 1 },
];

/** A row of 1 KiB, inserted into a table that is not logged: the disk is not to be measured. */
export const postgresExecRow: Row = {
  name: "postgres-exec",
  title: "`InvokeBinding` → postgres `exec`, an INSERT of 1 KiB, gRPC",
  latencyRate,
  contenders: ["cufflink", "daprd", "floor"],
  requirements,
  async open(contender, bench) {
    const { url, table } = await makeTable(bench, 0);
    const running = await startPostgres(contender, bench, "postgres-exec", url);
    const metadata = {
      sql: `INSERT INTO ${table} VALUES ($1)`,
      params: JSON.stringify([plainPayload.toString()]),
    };
    return callContender(running, bench, {
      target: grpcTarget(running, { component: "database", operation: "exec", metadata }),
      calls: bench.count(20_000),
      latencyRate,
      latencyCalls: bench.count(2000),
      counted: () => rowsOf(url, table),
    });
  },
};

/** One row of 1 KiB, found by its number. */
export const postgresQueryRow: Row = {
  name: "postgres-query",
  title: "`InvokeBinding` → postgres `query`, one row of 1 KiB, gRPC",
  latencyRate,
  contenders: ["cufflink", "daprd", "floor"],
  requirements,
  async open(contender, bench) {
    const { url, table } = await makeTable(bench, 100);
    const running = await startPostgres(contender, bench, "postgres-query", url);
    const metadata = {
      sql: `SELECT payload, number FROM ${table} WHERE number = $1`,
      params: "[7]",
    };
    return callContender(running, bench, {
      target: grpcTarget(running, { component: "database", operation: "query", metadata }),
      calls: bench.count(20_000),
      latencyRate,
      latencyCalls: bench.count(2000),
      answerBytes: plainPayload.length,
    });
  },
};

let tables = 0;

async function makeTable(bench: Bench, rows: number): Promise<{ url: string; table: string }> {
  const { url } = await bench.systems.postgres();
  const table = `bench_${process.pid}_${++tables}`;
  await asked(url, `CREATE UNLOGGED TABLE ${table} (payload text, number serial PRIMARY KEY)`);
  if (rows > 0)
    await asked(
      url,
      `INSERT INTO ${table} SELECT '${plainPayload.toString()}' FROM generate_series(1, ${rows})`,
    );
  return { url, table };
}

async function startPostgres(
  contender: ContenderName,
  bench: Bench,
  floorKind: string,
  url: string,
): Promise<Running> {
  if (contender === "floor") return start(floor("floor.ts", floorKind, url), bench.circumstances);
  const metadata = { connectionString: url, maxConns: String(connections) };
  return startDaemon(contender, bench, { name: "database", type: "postgres", metadata });
}

async function rowsOf(url: string, table: string): Promise<number> {
  const [row] = await asked(url, `SELECT count(*)::int AS count FROM ${table}`);
  return Number(row?.["count"]);
}

async function asked(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client(url);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}
