import { jsonText } from "../../sql/json-text.ts";
import { lsnText } from "./lsn.ts";
import type { Row, RowChange, Truncation } from "./pgoutput.ts";
import { keyOf, valueJson, type Table } from "./tables.ts";
import { instantText } from "../../sql/timing.ts";

/** What an event tells of its change. */
export type Change = {
  readonly data: Uint8Array;
  readonly key: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** It is about more rows than those of its key: whatever came before it is to be handled first. */
  readonly standsAlone: boolean;
};

/** Where a change is in the log. */
export type ChangePlace = {
  readonly lsn: bigint;
  readonly commitLsn: bigint;
  /** Microseconds since 1970. */
  readonly committedAt: number;
  readonly transaction: number;
};

export function rowChange(table: Table, change: RowChange, place: ChangePlace): Change {
  const { kind, before, beforeIsIdentity, after } = change;
  const whole = after?.map((value, at) => (value === undefined ? before?.[at] : value));
  const members = [
    ...head(table, kind),
    ...(before === undefined
      ? []
      : [`"before":${rowJson(table, before, (at) => !beforeIsIdentity || isIdentity(table, at))}`]),
    ...(whole === undefined ? [] : [`"after":${rowJson(table, whole, () => true)}`]),
  ];
  const unchanged = table.columns.filter((_, at) => whole !== undefined && whole[at] === undefined);
  if (unchanged.length > 0)
    members.push(`"unchanged":[${unchanged.map(({ name }) => jsonText(name)).join(",")}]`);
  const key = keyOf(table, after === undefined ? [before] : [after, before]);
  return {
    data: Buffer.from(`{${members.join(",")}}`),
    key,
    metadata: metadataOf(table, kind, place),
    standsAlone: kind === "update" && before !== undefined && keyOf(table, [before]) !== key,
  };
}

export function truncation(
  table: Table,
  { cascade, restartIdentity }: Truncation,
  place: ChangePlace,
): Change {
  const members = [
    ...head(table, "truncate"),
    `"cascade":${cascade}`,
    `"restartIdentity":${restartIdentity}`,
  ];
  return {
    data: Buffer.from(`{${members.join(",")}}`),
    key: keyOf({ ...table, key: [] }, []),
    metadata: metadataOf(table, "truncate", place),
    standsAlone: table.key.length > 0,
  };
}

function head({ schema, name }: Table, operation: string): string[] {
  return [
    `"operation":"${operation}"`,
    `"schema":${jsonText(schema)}`,
    `"table":${jsonText(name)}`,
  ];
}

function metadataOf(table: Table, operation: string, place: ChangePlace): Record<string, string> {
  return {
    operation,
    schema: table.schema,
    table: table.name,
    transactionId: String(place.transaction),
    lsn: lsnText(place.lsn),
    commitLsn: lsnText(place.commitLsn),
    commitTime: instantText(place.committedAt),
  };
}

function isIdentity({ columns }: Table, at: number): boolean {
  return columns[at]?.isIdentity === true;
}

function rowJson(table: Table, row: Row, isShown: (at: number) => boolean): string {
  const members: string[] = [];
  for (const [at, column] of table.columns.entries()) {
    const value = row[at];
    if (value === undefined || !isShown(at)) continue;
    members.push(`${jsonText(column.name)}:${valueJson(column, value)}`);
  }
  return `{${members.join(",")}}`;
}
