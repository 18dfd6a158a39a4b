import { defineBinding } from "../../binding.ts";
import { BindingError } from "../../errors.ts";
import { problemsOf } from "../../check-settings.ts";
import type { Answer } from "../../binding.ts";
import { requiredSql, timesOf } from "../../sql/call.ts";
import { now } from "../../sql/timing.ts";
import { MysqlConnection } from "./connection.ts";
import type { Driver } from "./driver.ts";
import { mysqlFields, statementFields } from "./fields.ts";
import { bindParameters } from "./parameters.ts";
import { checkUrl, readSettings } from "./settings.ts";
import type { Outcome } from "./statement.ts";

type StatementCall = {
  readonly operation: string;
  readonly request: {
    readonly sql: string | undefined;
    readonly params: string | undefined;
    readonly readOnly: boolean;
  };
  readonly signal: AbortSignal;
};

/** Runs SQL statements. Numbers keep their digits, both ways. */
export default defineBinding({
  name: "mysql",
  status: "beta",
  summary: "Runs SQL statements in a MySQL or MariaDB database.",
  provedBy: [{ system: "MariaDB", kind: "real" }],
  drivers: { mysql2: "3.24.6" },
  metadata: mysqlFields,

  check: (metadata) => problemsOf([() => checkUrl(metadata)]),

  async open({
    metadata,
    component,
    signal,
    memory,
    driver,
    hide,
    lost,
  }): Promise<MysqlConnection> {
    const settings = await readSettings(metadata, `cufflink-${component.appId}-${component.name}`);
    hide?.(settings.source.password);
    return MysqlConnection.open(
      { driver: driver("mysql2") as Driver, settings, memory, lost },
      signal,
    );
  },

  operations: {
    exec: {
      description:
        "Runs a statement and answers how many rows it changed, in the metadata `rows-affected`.",
      request: statementFields,
      answerMetadata: {
        operation: "The operation.",
        sql: "The statement.",
        "start-time": "When it began.",
        "end-time": "When it ended.",
        duration: "How long it took.",
        "rows-affected": "How many rows it changed.",
      },
      idempotent: ({ readOnly }) => readOnly,
      async invoke(connection, call) {
        const [outcome, metadata] = await run(connection, call, false);
        return {
          data: new Uint8Array(),
          metadata: { ...metadata, "rows-affected": outcome.affected },
        };
      },
    },

    query: {
      description:
        "Runs a statement and answers its rows: a JSON array with an object for each row, or null when there is none.",
      request: statementFields,
      answerMetadata: {
        operation: "The operation.",
        sql: "The statement.",
        "start-time": "When it began.",
        "end-time": "When it ended.",
        duration: "How long it took.",
      },
      idempotent: ({ readOnly }) => readOnly,
      async invoke(connection, call): Promise<Answer> {
        const [{ rows }, metadata] = await run(connection, call, true);
        const text = rows.length === 0 ? "null" : `[${rows.join(",")}]`;
        return { data: Buffer.from(text), metadata };
      },
    },

    close: {
      description:
        "Closes all connections for good: later statements are refused until the component is opened anew.",
      request: {},
      idempotent: true,
      async invoke(connection) {
        await connection.close();
      },
    },
  },

  async ping(connection, signal) {
    await connection.ping(signal);
  },

  async examine(connection, { signal, ask, omit }) {
    const first = async (text: string): Promise<string[]> => {
      const statement = { text, values: [] };
      const run = { statement, keepsRows: true, isReadOnly: false, signal };
      const { rows } = await connection.run(run);
      return Object.values(JSON.parse(rows[0] ?? "{}") as Record<string, unknown>).map(String);
    };
    omit("exists");
    await ask("authenticated", "", async () => {
      return `as ${(await first("SELECT CURRENT_USER() AS u")).join("")}`;
    });
    await ask("may write", "", async () => {
      const [isReadOnly] = await first("SELECT @@global.read_only AS r");
      if (isReadOnly === "1")
        throw new BindingError("failed_precondition", "the server is read-only");
      return "the server takes writes; each table has rights of its own";
    });
  },
});

async function run(
  connection: MysqlConnection,
  { operation, request, signal }: StatementCall,
  keepsRows: boolean,
): Promise<[Outcome, Record<string, string>]> {
  const { params, readOnly } = request;
  const sql = requiredSql(request.sql);
  const statement = bindParameters(sql, params);
  const started = now();
  const outcome = await connection.run({ statement, keepsRows, isReadOnly: readOnly, signal });
  return [outcome, timesOf(operation, sql, started)];
}
