import { defineBinding } from "../../binding.ts";
import type { Answer } from "../../binding.ts";
import { requiredSql, timed } from "../../sql/call.ts";
import { PostgresConnection } from "./connection.ts";
import type { Driver } from "./driver.ts";
import { postgresFields, statementFields } from "./fields.ts";
import { bindParameters } from "./parameters.ts";
import { readSettings } from "./settings.ts";
import type { Outcome } from "./statement.ts";

/** What an opened component is asked by. */
type Opened = AsyncDisposable & {
  readonly connection: PostgresConnection;
  readonly isSimple: boolean;
};

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
  name: "postgres",
  aliases: ["postgresql"],
  status: "beta",
  summary: "Runs SQL statements in a PostgreSQL database.",
  provedBy: [{ system: "PostgreSQL", kind: "real" }],
  drivers: { pg: "8.23.1" },
  metadata: postgresFields,

  async open({ metadata, component, signal, memory, driver, lost }): Promise<Opened> {
    const name = `cufflink-${component.appId}-${component.name}`.replaceAll(/[^\x21-\x7e]/g, "-");
    const settings = await readSettings(metadata, name);
    const connection = await PostgresConnection.open(
      { driver: driver("pg") as Driver, settings, memory, lost },
      signal,
    );
    return {
      connection,
      isSimple: metadata.queryExecMode === "simple_protocol",
      [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose](),
    };
  },

  operations: {
    exec: {
      description:
        "Runs a statement and answers how many rows it changed, in the metadata `rows-affected`. Without `params` it may be several statements.",
      request: statementFields,
      idempotent: ({ readOnly }) => readOnly,
      async invoke({ connection }, call) {
        const [outcome, metadata] = await run(connection, call, { keepsRows: false, plain: true });
        return {
          data: new Uint8Array(),
          metadata: { ...metadata, "rows-affected": outcome.affected },
        };
      },
    },

    query: {
      description:
        "Runs a statement and answers its rows: a JSON array with an array for each row.",
      request: statementFields,
      idempotent: ({ readOnly }) => readOnly,
      async invoke({ connection, isSimple }, call): Promise<Answer> {
        const [{ rows }, metadata] = await run(connection, call, {
          keepsRows: true,
          plain: isSimple,
        });
        return { data: Buffer.from(`[${rows.join(",")}]`), metadata };
      },
    },

    close: {
      description:
        "Closes all connections for good: later statements are refused until the component is opened anew.",
      request: {},
      idempotent: true,
      async invoke({ connection }) {
        await connection.close();
      },
    },
  },

  async ping({ connection }, signal) {
    await connection.ping(signal);
  },
});

async function run(
  connection: PostgresConnection,
  { operation, request, signal }: StatementCall,
  { keepsRows, plain }: { keepsRows: boolean; plain: boolean },
): Promise<[Outcome, Record<string, string>]> {
  const { params, readOnly } = request;
  const sql = requiredSql(request.sql);
  const statement = bindParameters(sql, params);
  return timed(operation, sql, () =>
    connection.run({
      ...{ statement, keepsRows, signal },
      isReadOnly: readOnly,
      mayBePlain: plain,
    }),
  );
}
