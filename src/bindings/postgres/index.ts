import { defineBinding } from "../../binding.ts";
import { problemsOf } from "../../check-settings.ts";
import type { Answer, Examination } from "../../binding.ts";
import { BindingError } from "../../errors.ts";
import { requiredSql, timesOf } from "../../sql/call.ts";
import { now } from "../../sql/timing.ts";
import { PostgresConnection } from "./connection.ts";
import type { Driver } from "./driver.ts";
import { postgresFields, statementFields, type PostgresMetadata } from "./fields.ts";
import { readChanges } from "./changes.ts";
import { readNotifications } from "./notifications.ts";
import { bindParameters } from "./parameters.ts";
import { readSettings } from "./settings.ts";
import type { Outcome } from "./statement.ts";
import { needsTokenDriver, tokenDrivers, tokenLogin } from "./token-login.ts";

/** What an opened component is asked by. */
type Opened = AsyncDisposable & {
  readonly driver: Driver;
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

/** Runs SQL statements, and reads changes of rows or notifications. Numbers keep their digits, both ways. */
export default defineBinding({
  name: "postgres",
  aliases: ["postgresql"],
  status: "beta",
  summary:
    "Runs SQL statements in a PostgreSQL database, and reads the changes of its rows, or its notifications.",
  provedBy: [
    { system: "PostgreSQL", kind: "real" },
    { system: "Microsoft Entra ID", kind: "stand-in" },
  ],
  drivers: { pg: "8.23.1", ...tokenDrivers },
  needsDriver: (name, metadata) => needsTokenDriver(name, metadata),
  metadata: postgresFields,

  check: (metadata, { input }) => problemsOf([() => input && checkInput(metadata)]),

  async open({ metadata, component, directions, signal, memory, ...opening }): Promise<Opened> {
    if (directions.input) checkInput(metadata);
    const name = `cufflink-${component.appId}-${component.name}`.replaceAll(/[^\x21-\x7e]/g, "-");
    const read = await readSettings(metadata, name);
    const driver = opening.driver("pg") as Driver;
    await using opened = new AsyncDisposableStack();
    const login = opened.use(tokenLogin({ ...opening, metadata, memory, server: read.server }));
    // The pool, and an input, take it for each connection.
    const client = login ? { ...read.client, password: login.password } : read.client;
    const settings = { ...read, client };
    const connection = opened.use(
      await PostgresConnection.open({ driver, settings, memory, lost: opening.lost }, signal),
    );
    const all = opened.move();
    return {
      driver,
      connection,
      isSimple: metadata.queryExecMode === "simple_protocol",
      [Symbol.asyncDispose]: () => all[Symbol.asyncDispose](),
    };
  },

  operations: {
    exec: {
      description:
        "Runs a statement and answers how many rows it changed, in the metadata `rows-affected`. Without `params` it may be several statements.",
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
      answerMetadata: {
        operation: "The operation.",
        sql: "The statement.",
        "start-time": "When it began.",
        "end-time": "When it ended.",
        duration: "How long it took.",
      },
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

  eventMetadata: {
    operation: "`insert`, `update`, `delete` or `truncate`.",
    schema: "The schema of the table.",
    table: "The table.",
    transactionId: "The transaction.",
    lsn: "The place of the change in the log.",
    commitLsn: "The place of the commit in the log.",
    commitTime: "When it was committed.",
    channel: "The channel of a notification.",
    processId: "The server's process that has notified.",
  },

  guarantee: {
    returned:
      "is not confirmed, and is read again after the next connect; with `mode: listen` it is lost",
    atLeastOnce:
      "the server keeps the replication slot; with `mode: listen` the input is lossy: the server keeps no notification for a reader that is away",
    key: "the row's key, else the table; none with `mode: listen`",
    shared: false,
    duplicates: {
      app: "what the app has: `maxInFlight` (64)",
      runtime:
        "the same, and what was handled in the last 50 ms; without a state folder also the rest of its transaction, and what was handled behind an event that waits",
      server: "what the app does not finish within 5 s: `maxInFlight` (64)",
    },
  },

  inputIsOptional: true,
  returnsSingly: false,

  read({ driver, connection }, reading) {
    return reading.metadata.mode === "listen"
      ? readNotifications(driver, connection, reading)
      : readChanges(driver, connection, reading);
  },

  async ping({ connection }, signal) {
    await connection.ping(signal);
  },

  async examine({ connection }, { metadata, directions, signal, ask, omit }) {
    const query = async (text: string): Promise<unknown[][]> => {
      const statement = { text, values: [] };
      const run = { statement, keepsRows: true, isReadOnly: false, mayBePlain: true, signal };
      const { rows } = await connection.run(run);
      return rows.map((row) => JSON.parse(row) as unknown[]);
    };
    omit("exists");
    await ask("authenticated", "", async () => {
      const [row] = await query("SELECT current_user::text, current_database()::text");
      return `as ${String(row?.[0])}, in the database ${String(row?.[1])}`;
    });
    if (directions.input && metadata.mode !== "listen") await examineChanges(query, metadata, ask);
    if (!directions.output) return;
    await ask("may write", "", async () => {
      const [row] = await query("SELECT current_setting('transaction_read_only')");
      if (row?.[0] === "on")
        throw new BindingError(
          "failed_precondition",
          "the server takes no writes: it is a standby, or transactions are read-only there",
        );
      return "the server takes writes; each table has rights of its own";
    });
  },
});

/** What reading changes needs: publications, and the right to replicate. */
async function examineChanges(
  query: (text: string) => Promise<unknown[][]>,
  { publications }: PostgresMetadata,
  ask: Examination<typeof postgresFields>["ask"],
): Promise<void> {
  const rows = await query("SELECT pubname::text FROM pg_publication");
  const known = new Set(rows.map(([name]) => name));
  for (const name of publications ?? [])
    await ask("exists", `publication ${name}`, () => {
      if (!known.has(name))
        throw new BindingError("not_found", `it is not there; run: CREATE PUBLICATION "${name}" …`);
    });
  await ask("may read", "replication", async () => {
    const text =
      "SELECT (rolreplication OR rolsuper)::text, current_setting('wal_level') FROM pg_roles WHERE rolname = current_user";
    const [row] = await query(text);
    if (row?.[0] !== "true")
      throw new BindingError(
        "permission_denied",
        "the user may not replicate; run: ALTER ROLE … REPLICATION",
      );
    if (row[1] !== "logical")
      throw new BindingError(
        "failed_precondition",
        `wal_level is ${String(row[1])}; it must be logical`,
      );
  });
}

/** What is missing is told before anything is connected. */
function checkInput({ mode, slot, publications, channels }: PostgresMetadata): void {
  const missing =
    mode === "listen"
      ? !channels?.length && "channels"
      : (!publications?.length && "publications") || (!slot && "slot");
  if (missing)
    throw new BindingError("invalid_argument", `metadata ${missing} is required to read ${mode}`);
}

async function run(
  connection: PostgresConnection,
  { operation, request, signal }: StatementCall,
  { keepsRows, plain }: { keepsRows: boolean; plain: boolean },
): Promise<[Outcome, Record<string, string>]> {
  const { params, readOnly } = request;
  const sql = requiredSql(request.sql);
  const statement = bindParameters(sql, params);
  const started = now();
  const outcome = await connection.run({
    statement,
    keepsRows,
    signal,
    isReadOnly: readOnly,
    mayBePlain: plain,
  });
  return [outcome, timesOf(operation, sql, started)];
}
