import { BindingError } from "../../errors.ts";
import { connectFailure, isServerError } from "./failures.ts";
import type { InputClient } from "./input-client.ts";
import { identifier, literal } from "./quoting.ts";

/** The server that is read from. */
export type ServerIdentity = {
  readonly system: string;
  readonly timeline: string;
  readonly database: string;
};

export type ServerSettings = {
  /** After how many milliseconds the server gives up a reader of which it hears nothing; 0: never. */
  readonly senderTimeout: number;
};

/** Which server this is. */
export async function identify(client: InputClient): Promise<ServerIdentity> {
  const [[system, timeline, , database] = []] = await client.rows("IDENTIFY_SYSTEM");
  return { system: system ?? "", timeline: timeline ?? "", database: database ?? "" };
}

/** Throws a `BindingError` that names what the server or the database lacks. */
export async function checkServer(
  client: InputClient,
  publications: readonly string[],
  { database }: ServerIdentity,
): Promise<ServerSettings> {
  const settings = new Map(
    (
      await client.rows(
        "SELECT name, setting FROM pg_catalog.pg_settings WHERE name IN ('wal_level', 'wal_sender_timeout')",
      )
    ).map(([name, setting]) => [name, setting ?? ""]),
  );
  const level = settings.get("wal_level");
  if (level !== "logical") {
    throw lacking(
      `the server's wal_level is ${level}, so that no changes can be read: set wal_level = logical in its configuration and restart it`,
    );
  }
  const names = publications.map(literal).join(", ");
  const found = await client.rows(
    `SELECT pubname FROM pg_catalog.pg_publication WHERE pubname IN (${names})`,
  );
  const missing = publications.filter((name) => !found.some(([one]) => one === name));
  if (missing.length > 0) {
    const [first = ""] = missing;
    throw lacking(
      `database ${database} has no publication ${missing.join(", ")}: CREATE PUBLICATION ${identifier(first)} FOR TABLE …`,
      "not_found",
    );
  }
  return { senderTimeout: Number(settings.get("wal_sender_timeout") ?? 0) };
}

/** Tables whose updates and deletes the server refuses because a publication publishes them; at most eleven. */
export async function tablesWithoutIdentity(
  client: InputClient,
  publications: readonly string[],
): Promise<string[]> {
  const names = publications.map(literal).join(", ");
  const rows = await client.rows(`SELECT DISTINCT published.schemaname || '.' || published.tablename
FROM pg_catalog.pg_publication_tables published
JOIN pg_catalog.pg_publication publication ON publication.pubname = published.pubname
JOIN pg_catalog.pg_namespace namespace ON namespace.nspname = published.schemaname
JOIN pg_catalog.pg_class class ON class.relnamespace = namespace.oid AND class.relname = published.tablename
WHERE publication.pubname IN (${names}) AND (publication.pubupdate OR publication.pubdelete)
AND (class.relreplident = 'n' OR class.relreplident = 'd' AND NOT EXISTS (
  SELECT FROM pg_catalog.pg_index WHERE indrelid = class.oid AND indisprimary))
ORDER BY 1 LIMIT 11`);
  return rows.map(([name]) => name ?? "");
}

/** What the server says of a slot; which of it, depends on its version. */
type FoundSlot = {
  readonly plugin: string | null;
  readonly slot_type: string;
  readonly database: string | null;
  readonly temporary: boolean;
  readonly active_pid: number | null;
  readonly confirmed_flush_lsn: string | null;
  readonly wal_status?: string | null;
  readonly invalidation_reason?: string | null;
  readonly conflicting?: boolean | null;
};

/**
 * Looks whether the slot can be read. False: there is none. Throws a `BindingError` with the remedy where it is
 * another's, or the server has given it up.
 */
export async function findSlot(
  client: InputClient,
  slot: string,
  { database }: ServerIdentity,
): Promise<boolean> {
  const rows = await client.rows(
    `SELECT to_json(slot) FROM pg_catalog.pg_replication_slots slot WHERE slot_name = ${literal(slot)}`,
  );
  const text = rows[0]?.[0];
  if (text === undefined || text === null) return false;
  const found = JSON.parse(text) as FoundSlot;
  if (found.slot_type !== "logical" || found.plugin !== "pgoutput" || found.temporary) {
    const what = found.plugin ?? found.slot_type;
    throw lacking(`replication slot ${slot} is of another kind (${what}): choose another name`);
  }
  if (found.database !== database) {
    throw lacking(
      `replication slot ${slot} is of database ${found.database}, not ${database}: choose another name`,
    );
  }
  const invalid = found.invalidation_reason ?? (found.wal_status === "lost" ? "wal_removed" : null);
  if (invalid !== null || found.conflicting === true) throw invalidated(slot, invalid);
  return true;
}

/** The server keeps the slot, and does not have any more what is to be read by it. */
export function invalidated(slot: string, reason: string | null): BindingError {
  const why =
    reason === "wal_removed" || reason === null
      ? "its reader was behind by more than max_slot_wal_keep_size, or it was in conflict with recovery"
      : reason;
  return lacking(
    `the server has given up replication slot ${slot} (${why}), so that changes are missed: SELECT pg_drop_replication_slot(${literal(slot)}); ${createByHand(slot)} Then compare what was missed`,
  );
}

/** The slot was read before and is not there. A new one would begin behind changes that nobody has read. */
export function gone(slot: string, position: string | undefined): BindingError {
  const handled = position === undefined ? "" : ` up to ${position.replace(/:.*$/, "")}`;
  return lacking(
    `replication slot ${slot} is gone, which was read before${handled}: changes are missed since. ${createByHand(slot)} Then compare what was missed`,
  );
}

function createByHand(slot: string): string {
  return `To read on from now on: SELECT pg_create_logical_replication_slot(${literal(slot)}, 'pgoutput');`;
}

/** Creates the slot. The server waits for the transactions that are under way. False: somebody else just did. */
export async function createSlot(client: InputClient, slot: string): Promise<boolean> {
  try {
    await client.rows(
      `CREATE_REPLICATION_SLOT ${identifier(slot)} LOGICAL pgoutput NOEXPORT_SNAPSHOT`,
    );
    return true;
  } catch (error) {
    if (isServerError(error) && error.code === "42710") return false;
    throw error;
  }
}

/** Asks which process of the server reads by a slot. */
export const readerQuery =
  "SELECT active_pid FROM pg_catalog.pg_replication_slots WHERE slot_name = $1";

/** Who reads by the slot, for an error. */
export async function readerOf(client: InputClient, slot: string): Promise<string> {
  const [[pid, name, address] = []] = await client.rows(
    `SELECT active_pid, application_name, client_addr FROM pg_catalog.pg_replication_slots
LEFT JOIN pg_catalog.pg_stat_activity ON pid = active_pid WHERE slot_name = ${literal(slot)}`,
  );
  if (pid === undefined || pid === null) return "another reader";
  return [`process ${pid} of the server`, name, address].filter(Boolean).join(", ");
}

const remedies: Readonly<Record<string, string>> = {
  "42501":
    "the user needs the right to replicate: ALTER ROLE … REPLICATION, or what the service has for it (as GRANT rds_replication)",
  "53300": "raise max_wal_senders or max_connections, or end other readers",
  "53400": "raise max_replication_slots, or drop a slot that nobody reads",
  "42704":
    "a publication did not exist yet when a change was made that is still to be read: SELECT pg_replication_slot_advance(…) passes such changes over",
  "42601":
    "the server does not know the command: it must be PostgreSQL 10 or later, without a pooler before it",
};

/** What reading failed with, with what to do about it where the server's words do not say. */
export function readingFailure(error: unknown, what: string): BindingError {
  const failure = connectFailure(error, what);
  const remedy = remedies[failure.systemCode ?? ""];
  if (remedy === undefined || failure.message.includes(remedy)) return failure;
  const { reason, effect, systemCode } = failure;
  return new BindingError(reason, `${failure.message}; ${remedy}`, { effect, systemCode });
}

function lacking(
  text: string,
  reason: "failed_precondition" | "not_found" = "failed_precondition",
): BindingError {
  return new BindingError(reason, text, { effect: "unsent" });
}
