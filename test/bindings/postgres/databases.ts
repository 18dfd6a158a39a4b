import { Client } from "pg";
import { uniqueName } from "../../servers/describe-with.ts";
import { endAfterTest } from "../contract.ts";

export type Server = { readonly host: string; readonly port: number; readonly url: string };

export function words({ host, port }: { host: string; port: number }, more = ""): string {
  return `host=${host} port=${port} user=postgres password=opensesame dbname=postgres sslmode=disable ${more}`;
}

/** The rows as texts. */
export async function ask(server: Pick<Server, "url">, sql: string): Promise<string[][]> {
  const client = new Client(server.url);
  await client.connect();
  try {
    const { rows } = await client.query<string[]>({
      text: sql,
      rowMode: "array",
      types: { getTypeParser: () => (text: string) => text },
    });
    return rows;
  } finally {
    await client.end();
  }
}

export type PlaceOptions = {
  /** Whether the slot is made before anybody reads. Default true. */
  readonly made?: boolean;
  /** What is connected to. Default: the server. */
  readonly through?: { readonly host: string; readonly port: number };
  /** More words of the connection string. */
  readonly options?: string;
};

export type Published = {
  readonly table: string;
  readonly publication: string;
  readonly slot: string;
  readonly properties: Record<string, string>;
  readonly run: (sql: string) => Promise<string[][]>;
};

/** A table, `$table` in statements, with a publication; the slot is named and not made. All are dropped after the test. */
export async function published(
  server: Server,
  columns = "id bigint PRIMARY KEY, name text",
  { made = true, through = server, options = "" }: PlaceOptions = {},
): Promise<Published> {
  const table = uniqueName("orders").replaceAll("-", "_");
  const [publication, slot] = [`pub_${table}`, `slot_${table}`];
  const run = (sql: string) => ask(server, sql.replaceAll("$table", table));
  endAfterTest(async () => {
    await dropSlot(server, slot);
    await run(`DROP PUBLICATION IF EXISTS ${publication}; DROP TABLE IF EXISTS $table CASCADE`);
  });
  await run(`CREATE TABLE $table (${columns}); CREATE PUBLICATION ${publication} FOR TABLE $table`);
  if (made) await makeSlot(server, slot);
  return {
    ...{ table, publication, slot, run },
    properties: {
      connectionString: words(through, options),
      ...{ publications: publication, slot, direction: "input" },
    },
  };
}

export async function makeSlot(server: Server, slot: string): Promise<void> {
  await ask(server, `SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput')`);
}

/** Waits until nobody reads by it. */
export async function dropSlot(server: Server, slot: string): Promise<void> {
  for (;;) {
    const rows = await ask(
      server,
      `SELECT active FROM pg_replication_slots WHERE slot_name = '${slot}'`,
    );
    if (rows.length === 0) return;
    if (rows[0]?.[0] === "f") {
      await ask(server, `SELECT pg_drop_replication_slot('${slot}')`);
      return;
    }
  }
}

/** What the server says of the slot. */
export async function slotColumn(server: Server, slot: string, column: string): Promise<string> {
  const rows = await ask(
    server,
    `SELECT ${column} FROM pg_replication_slots WHERE slot_name = '${slot}'`,
  );
  return rows[0]?.[0] ?? "no slot";
}
