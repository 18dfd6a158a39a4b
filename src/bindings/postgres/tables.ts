import { jsonText } from "../../sql/json-text.ts";
import type { Relation, Row } from "./pgoutput.ts";
import { toJson, UnsupportedValue, type ToJson } from "./values.ts";

/** Asks the database's catalog, and answers the rows as JSON. */
export type AskCatalog = (sql: string, parameter: string) => Promise<readonly string[]>;

/** A table whose changes are read. */
export type Table = {
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly TableColumn[];
  /** Places of the columns by which a row is known; empty: none are known. */
  readonly key: readonly number[];
};

type TableColumn = {
  readonly name: string;
  readonly isIdentity: boolean;
  readonly json: ToJson;
};

/** Types that the database has made itself have larger OIDs. */
const firstOwnType = 16_384;

const baseTypes = `WITH RECURSIVE base (given, type) AS (
  SELECT oid, oid FROM pg_catalog.pg_type WHERE oid = ANY ($1::oid[])
  UNION ALL
  SELECT base.given, found.typbasetype FROM base JOIN pg_catalog.pg_type found ON found.oid = base.type
  WHERE found.typtype = 'd')
SELECT base.given, base.type FROM base JOIN pg_catalog.pg_type found ON found.oid = base.type WHERE found.typtype <> 'd'`;

const primaryKey = `SELECT attname::text FROM pg_catalog.pg_index
JOIN pg_catalog.pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)
WHERE indrelid = $1::oid AND indisprimary`;

/** Completes what the server says of a table, from its catalog where need be. */
export async function tableOf(relation: Relation, ask: AskCatalog): Promise<Table> {
  const { schema, name, columns, identity } = relation;
  const base = await basesOf(
    columns.map(({ type }) => type),
    ask,
  );
  return {
    schema,
    name,
    columns: columns.map((column) => ({
      name: column.name,
      isIdentity: column.isIdentity,
      json: lenient(toJson(base.get(column.type) ?? column.type)),
    })),
    key: identity === "f" ? await primaryKeyOf(relation, ask) : identityOf(relation),
  };
}

function identityOf({ columns }: Relation): number[] {
  return columns.flatMap(({ isIdentity }, at) => (isIdentity ? [at] : []));
}

/** With the identity `full` the server tells no key. One that has changed since is none of the table as it was. */
async function primaryKeyOf({ id, columns }: Relation, ask: AskCatalog): Promise<number[]> {
  const rows = await ask(primaryKey, String(id));
  const names = new Set(rows.map((row) => (JSON.parse(row) as [string])[0]));
  const key = columns.flatMap(({ name }, at) => (names.has(name) ? [at] : []));
  return key.length === names.size ? key : [];
}

/** A domain is written as the type that it is made from. */
async function basesOf(types: readonly number[], ask: AskCatalog): Promise<Map<number, number>> {
  const own = types.filter((type) => type >= firstOwnType);
  if (own.length === 0) return new Map();
  const rows = await ask(baseTypes, `{${own.join(",")}}`);
  return new Map(rows.map((row) => JSON.parse(row) as [number, number]));
}

/** JSON has no number for some values, which cannot keep a change from being told. */
function lenient(json: ToJson): ToJson {
  return (text) => {
    try {
      return json(text);
    } catch (error) {
      if (error instanceof UnsupportedValue) return jsonText(text);
      throw error;
    }
  };
}

/** The key of a row as JSON: schema, table, and the values of its key; without values: of the whole table. */
export function keyOf(table: Table, rows: readonly (Row | undefined)[]): string {
  const values = table.key.map((at) => {
    const value = rows.map((row) => row?.[at]).find((one) => one !== undefined);
    return value === undefined ? undefined : valueJson(table.columns[at], value);
  });
  const known = values.every((value) => value !== undefined) ? values : [];
  return `[${[jsonText(table.schema), jsonText(table.name), ...known].join(",")}]`;
}

export function valueJson(column: TableColumn | undefined, value: string | null): string {
  return value === null || column === undefined ? "null" : column.json(value);
}
