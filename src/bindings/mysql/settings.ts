import type { ConnectionOptions } from "node:tls";
import { BindingError } from "../../errors.ts";
import { pemOrFile } from "../../tls/pem.ts";
import { parseDataSource, type DataSource } from "./dsn.ts";
import type { MysqlMetadata } from "./fields.ts";
import { zoneOf, type Zone } from "./times.ts";

/** How a connection is made, and how many are kept. Durations are milliseconds; 0: without end. */
export type Settings = {
  readonly source: DataSource;
  /** Absent: nothing is encrypted. */
  readonly tls: ConnectionOptions | undefined;
  readonly zone: Zone;
  /** What makes a session ready: after the login, and after each reset. */
  readonly session: readonly string[];
  /** What the server is told of the client. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly timeout: number;
  readonly maxConnections: number;
  readonly maxIdle: number;
  readonly maxLifetime: number;
  readonly maxIdleTime: number;
};

const defaultTimeout = 20_000;
const defaultConnections = 20;

/** Reads a component's metadata, and the file that it names. Throws a `BindingError` that quotes no value. */
export async function readSettings(metadata: MysqlMetadata, name: string): Promise<Settings> {
  const { url, pemPath, maxOpenConns, maxIdleConns, connMaxLifetime, connMaxIdleTime } = metadata;
  const source = parseDataSource(url);
  const maxConnections = maxOpenConns > 0 ? maxOpenConns : defaultConnections;
  return {
    source,
    tls: await tlsOptions(source, pemPath),
    zone: zoneOf(source.zone),
    session: sessionOf(source),
    attributes: { program_name: name, ...source.attributes },
    timeout: source.timeout ?? defaultTimeout,
    maxConnections,
    maxIdle: maxIdleConns > 0 ? maxIdleConns : maxConnections,
    maxLifetime: Math.max(0, connMaxLifetime),
    maxIdleTime: Math.max(0, connMaxIdleTime),
  };
}

/** Throws a `BindingError` for what shows without reading the file of `pemPath`. */
export function checkUrl({ url, pemPath }: MysqlMetadata): void {
  const source = parseDataSource(url);
  zoneOf(source.zone);
  refuseMissingAuthorities(source, pemPath);
}

function sessionOf({ collation, variables }: DataSource): string[] {
  const settings = [
    ...(collation === undefined ? [] : [`collation_connection = ${collation}`]),
    ...[...variables].map(([name, value]) => `${name} = ${value}`),
  ];
  return ["SET NAMES utf8mb4", ...(settings.length === 0 ? [] : [`SET ${settings.join(", ")}`])];
}

function refuseMissingAuthorities({ tls }: DataSource, pemPath: string | undefined): void {
  if (tls !== "custom" || pemPath) return;
  throw new BindingError(
    "invalid_argument",
    "illegal Data Source Name (DSN) specified by url: tls=custom needs pemPath",
  );
}

async function tlsOptions(
  source: DataSource,
  pemPath: string | undefined,
): Promise<ConnectionOptions | undefined> {
  refuseMissingAuthorities(source, pemPath);
  const { tls, address } = source;
  const ca = pemPath ? await pemOrFile("pemPath", pemPath) : undefined;
  if (tls === "false") return undefined;
  return {
    minVersion: "TLSv1.2",
    rejectUnauthorized: tls !== "skip-verify",
    ...("host" in address ? { host: address.host } : {}),
    ...(tls === "custom" && ca !== undefined ? { ca } : {}),
    ...(tls === "skip-verify" ? { checkServerIdentity: () => undefined } : {}),
  };
}
