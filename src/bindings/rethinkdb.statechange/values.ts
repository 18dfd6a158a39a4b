/** What a feed sends: one row before and after, and how it came to that. */
export type Change = {
  readonly new_val?: unknown;
  readonly old_val?: unknown;
  readonly type?: string;
};

/** A change as Dapr's app gets it, in JSON. */
export function jsonOf(change: Change): Buffer {
  const { new_val, old_val, type } = change;
  const written = { new_val: plain(new_val ?? null), old_val: plain(old_val ?? null), type };
  return Buffer.from(JSON.stringify(written));
}

/** The server's own types, which it writes as objects, as Dapr's driver hands them on: times and bytes as texts. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  const fields = value as Readonly<Record<string, unknown>>;
  switch (fields["$reql_type$"]) {
    case "TIME":
      return instantOf(Number(fields["epoch_time"]), fields["timezone"]);
    case "BINARY":
      return fields["data"];
    case undefined:
    default:
      return Object.fromEntries(
        Object.entries(fields).map(([name, inner]) => [name, plain(inner)]),
      );
  }
}

/** RFC 3339 at the offset that the row has. */
function instantOf(seconds: number, timezone: unknown): string | null {
  const written = typeof timezone === "string" ? timezone : "";
  const [, sign = "+", hours = "0", minutes = "0"] = /^([+-])(\d\d):(\d\d)$/.exec(written) ?? [];
  const offset = (sign === "-" ? -1 : 1) * (Number(hours) * 60 + Number(minutes));
  const local = new Date(seconds * 1000 + offset * 60_000);
  if (Number.isNaN(local.getTime())) return null;
  const text = local.toISOString().replace(/\.?0*Z$/, "");
  return `${text}${offset === 0 ? "Z" : written}`;
}

/** The value of a row's primary key, as a text; `undefined`: the change has none. */
export function keyOf({ new_val, old_val }: Change, primaryKey: string): string | undefined {
  for (const row of [new_val, old_val]) {
    if (typeof row !== "object" || row === null || !(primaryKey in row)) continue;
    return JSON.stringify((row as Readonly<Record<string, unknown>>)[primaryKey]);
  }
  return undefined;
}
