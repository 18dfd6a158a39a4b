import { availableParallelism, userInfo } from "node:os";
import type { ConnectionOptions } from "node:tls";
import type { ClientConfig } from "pg";
import { BindingError } from "../../errors.ts";
import { parseDuration } from "../../metadata/duration.ts";
import { pemOrFile } from "../../tls/pem.ts";
import { parseConnectionString } from "./connection-string.ts";
import type { PostgresMetadata } from "./fields.ts";

/** How the driver connects, and how many connections it keeps. Durations are milliseconds. */
export type Settings = {
  readonly client: ClientConfig;
  /** What is connected to, and as whom, by the names that a token is made for. */
  readonly server: { readonly host: string; readonly port: number; readonly user: string };
  /** TLS is tried, and a server without it is spoken to all the same: `sslmode=prefer`, which is the default. */
  readonly prefersTls: boolean;
  /** Texts that no error may show: the password, as it is and as it may be written. */
  readonly secrets: readonly string[];
  readonly timeout: number;
  readonly maxConnections: number;
  readonly maxIdleTime: number;
  /** How many statements the server keeps for each connection, at most. */
  readonly keptStatements: number;
};

/** As pgx. */
const defaultKeptStatements = 512;

const tlsModes = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/** Words that are no settings of the session: they are of the connection, of pgx's pool, or of no use here. */
const own = new Set([
  ...["host", "hostaddr", "port", "dbname", "user", "password", "application_name", "options"],
  ...["sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword", "sslsni", "connect_timeout"],
  ...["pool_max_conns", "pool_min_conns", "pool_max_conn_lifetime", "pool_max_conn_idle_time"],
  ...["pool_health_check_period", "pool_max_conn_lifetime_jitter", "pool_min_idle_conns"],
  ...["default_query_exec_mode", "statement_cache_capacity", "description_cache_capacity"],
  ...["fallback_application_name", "client_encoding", "min_read_buffer_size"],
]);

/** Reads a component's metadata, and the files that it names. Throws a `BindingError` that quotes no value. */
export async function readSettings(metadata: PostgresMetadata, name: string): Promise<Settings> {
  if (metadata.timeout < 1000) throw wrong("invalid value for 'timeout': must be greater than 1s");
  const words = parseConnectionString(metadata.connectionString ?? "");
  const { host, hostaddr, port, database, user, password, sslRootCert } = metadata;
  const fields = {
    host,
    hostaddr,
    port,
    dbname: database,
    user,
    password,
    sslrootcert: sslRootCert,
  };
  for (const [word, value] of Object.entries(fields)) if (value) words.set(word, value);
  const byToken = metadata.useAzureAD || metadata.useAWSIAM;
  // As Dapr: a password beside the token is none.
  if (byToken) words.delete("password");
  if (words.size === 0)
    throw wrong(
      "failed to build connection string: say connectionString, or host, user and database",
    );
  for (const [word, value] of words)
    if (value.includes("\0")) throw wrong(`${word} has a NUL character in it`);
  refuseUnsupported(words);
  const ssl = await tlsOptions(words);
  const poolMost = Number(words.get("pool_max_conns") ?? 0);
  const most = metadata.maxConns > 1 ? metadata.maxConns : poolMost;
  return {
    client: {
      ...clientWords(words, name),
      ssl: ssl ?? false,
      keepAlive: true,
    },
    server: {
      host: words.get("host") ?? words.get("hostaddr") ?? process.env["PGHOST"] ?? "localhost",
      port: Number(words.get("port") ?? process.env["PGPORT"] ?? 5432),
      user: words.get("user") ?? process.env["PGUSER"] ?? userInfo().username,
    },
    prefersTls: ssl !== undefined && ["prefer", "allow"].includes(tlsMode(words)),
    secrets: byToken ? [] : formsOf(words.get("password") ?? process.env["PGPASSWORD"] ?? ""),
    timeout: metadata.timeout,
    maxConnections: most > 0 ? most : Math.max(4, availableParallelism()),
    maxIdleTime:
      metadata.connectionMaxIdleTime ||
      parseDuration(words.get("pool_max_conn_idle_time") ?? "", 1000) ||
      30 * 60_000,
    keptStatements: keptStatements(metadata, words),
  };
}

/** Where a pooler cannot keep them, either of the two words says so. */
function keptStatements(
  { queryExecMode }: PostgresMetadata,
  words: ReadonlyMap<string, string>,
): number {
  const modes = [queryExecMode, words.get("default_query_exec_mode") ?? "cache_statement"];
  if (modes.some((mode) => mode !== "cache_statement")) return 0;
  const capacity = Number(words.get("statement_cache_capacity") ?? defaultKeptStatements);
  return Number.isInteger(capacity) && capacity >= 0 ? capacity : defaultKeptStatements;
}

/** A text of under four characters would garble too much. */
function formsOf(password: string): string[] {
  if (password.length < 4) return [];
  const bytes = Buffer.from(password);
  return [
    ...[password, encodeURIComponent(password), JSON.stringify(password).slice(1, -1)],
    ...[bytes.toString("base64"), bytes.toString("base64url"), bytes.toString("hex")],
  ];
}

function clientWords(words: ReadonlyMap<string, string>, name: string): ClientConfig {
  const port = words.get("port");
  if (port !== undefined && !(/^\d+$/.test(port) && Number(port) <= 65_535))
    throw wrong("port is not a number up to 65535");
  const session = [...words].filter(([word]) => !own.has(word));
  // A space or backslash in a value is escaped by a backslash.
  const settings = session.map(
    ([word, value]) => `-c ${word}=${value.replaceAll(/[\s\\]/g, String.raw`\$&`)}`,
  );
  const options = [words.get("options") ?? "", ...settings].join(" ").trim();
  const host = words.get("hostaddr") ?? words.get("host");
  const [user, password, database] = ["user", "password", "dbname"].map((word) => words.get(word));
  return {
    application_name: words.get("application_name") ?? name,
    ...(host ? { host } : {}),
    ...(port ? { port: Number(port) } : {}),
    ...(user ? { user } : {}),
    ...(password ? { password } : {}),
    ...(database ? { database } : {}),
    ...(options ? { options } : {}),
  };
}

function refuseUnsupported(words: ReadonlyMap<string, string>): void {
  const several = ["host", "hostaddr", "port"].find((word) => words.get(word)?.includes(","));
  if (several !== undefined)
    throw wrong(`${several} names several servers, which is not supported yet; name one`);
  for (const word of ["service", "servicefile", "passfile", "target_session_attrs", "krbsrvname"])
    if (words.has(word)) throw wrong(`${word} in connectionString is not supported yet`);
}

function tlsMode(words: ReadonlyMap<string, string>): string {
  return words.get("sslmode") ?? process.env["PGSSLMODE"] ?? "prefer";
}

async function tlsOptions(
  words: ReadonlyMap<string, string>,
): Promise<ConnectionOptions | undefined> {
  const mode = tlsMode(words);
  if (!tlsModes.includes(mode)) throw wrong(`sslmode is none of ${tlsModes.join(", ")}`);
  const host = words.get("host") ?? "";
  if (mode === "disable" || host.startsWith("/")) return undefined;
  const [ca, cert, key] = await Promise.all(
    ["sslrootcert", "sslcert", "sslkey"].map(async (word) => {
      const value = words.get(word);
      return value ? pemOrFile(word, value) : undefined;
    }),
  );
  const passphrase = words.get("sslpassword");
  // As libpq has it, an authority that is named is also asked.
  const checksChain = mode.startsWith("verify") || (mode === "require" && ca !== undefined);
  return {
    minVersion: "TLSv1.2",
    rejectUnauthorized: checksChain,
    ...(mode === "verify-full" ? { host } : { checkServerIdentity: () => undefined }),
    ...(ca ? { ca } : {}),
    ...(cert ? { cert } : {}),
    ...(key ? { key } : {}),
    ...(passphrase ? { passphrase } : {}),
  };
}

function wrong(text: string): BindingError {
  return new BindingError("invalid_argument", text);
}
