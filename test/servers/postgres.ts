import { execFile } from "node:child_process";
import { existsSync, globSync } from "node:fs";
import { chown, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { installPackages } from "./install.ts";
import { parseUrl, portAt } from "./kind.ts";
import type { Place, ServerKind } from "./kind.ts";
import { findProgram, searchPath } from "./server-process.ts";

export interface PostgresOptions {
  /** Further settings, such as `max_connections = 5`. */
  readonly config?: readonly string[];
  /** It speaks TLS too, with this certificate and key. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

const run = promisify(execFile);
const user = "postgres";
const password = "opensesame";

/** PostgreSQL with the superuser postgres/opensesame, who logs in by SCRAM. Data on disk, not synced. */
export const postgres: ServerKind<PostgresOptions, object, object> = {
  title: "PostgreSQL",
  variable: "POSTGRES_URL",
  ports: 1,
  startTimeout: 60_000,
  // It waits for its clients at SIGTERM.
  stopSignal: "SIGINT",
  greeting: {
    // May TLS be spoken: the answer is S or N.
    question: Buffer.from("0000000804d2162f", "hex"),
    isAnswer: (answer) => /^[SN]/.test(answer.toString("latin1")),
  },
  startedLine: /database system is ready to accept connections/,
  url: (host, port) => `postgres://${user}:${password}@${host}:${port}/postgres`,
  parse: (value) => parseUrl(value, 5432),
  isInstalled: () => program("initdb") !== undefined && program("postgres") !== undefined,
  install: () => installPackages("postgresql"),
  async prepare(place, options) {
    const data = join(place.folder, "data");
    const [uid, gid] = await owner();
    await chown(place.folder, uid, gid);
    if (!existsSync(join(data, "PG_VERSION"))) await initialize(place, data);
    else await processesEnded(data);
    const port = portAt(place, 0);
    const lines = [
      `listen_addresses = '${place.host}'`,
      `port = ${port}`,
      `unix_socket_directories = '${place.folder}'`,
      "fsync = off",
      // Each test that reads changes has a slot of its own.
      ...["wal_level = logical", "max_replication_slots = 50", "max_wal_senders = 50"],
      ...(options.tls ? ["ssl = on"] : []),
      ...(options.config ?? []),
    ];
    await write(join(data, "postgresql.conf"), lines.join("\n"));
    if (options.tls) {
      await write(join(data, "server.crt"), options.tls.cert);
      await write(join(data, "server.key"), options.tls.key);
    }
    const [first = "", ...rest] = asUser([program("postgres") ?? "postgres", "-D", data]);
    return [{ program: first, arguments: rest }];
  },
  extras: () => ({}),
  ownExtras: () => ({}),
};

async function initialize(place: Place, data: string): Promise<void> {
  const file = join(place.folder, "password");
  await write(file, password);
  const [first = "", ...rest] = asUser([
    ...[program("initdb") ?? "initdb", "-D", data, "-U", user, "--pwfile", file],
    ...["-A", "scram-sha-256", "-E", "UTF8", "--locale", "C.UTF-8", "--no-sync"],
  ]);
  await run(first, rest, { cwd: place.folder, env: { PATH: searchPath(), LANG: "C.UTF-8" } });
}

/** The processes of a server that was killed end by themselves, and until then its data are in use. */
async function processesEnded(data: string): Promise<void> {
  const file = await readFile(join(data, "postmaster.pid"), "utf8").catch(() => "");
  const id = file.split("\n")[6]?.trim().split(/\s+/)[1];
  if (id === undefined) return;
  const isAttached = async (): Promise<boolean> => {
    const segments = await readFile("/proc/sysvipc/shm", "utf8").catch(() => "");
    const columns = segments.split("\n").map((line) => line.trim().split(/\s+/));
    return columns.some(([, segment, , , , , attached]) => segment === id && attached !== "0");
  };
  const deadline = performance.now() + 10_000;
  while (performance.now() < deadline && (await isAttached()))
    await new Promise((resolve) => setTimeout(resolve, 10));
}

/** Debian keeps them in a folder of the version. */
function program(name: string): string | undefined {
  return findProgram(
    ...globSync(`/usr/lib/postgresql/*/bin/${name}`).toSorted().toReversed(),
    name,
  );
}

/** It refuses to run as root. */
function asUser(command: readonly string[]): string[] {
  if (process.getuid?.() !== 0) return [...command];
  const setpriv = [findProgram("setpriv") ?? "setpriv", "--reuid", user, "--regid", user];
  // A change of the user makes Linux forget what ends it with the process that started it.
  return [...setpriv, "--clear-groups", "--pdeathsig", "KILL", "--", ...command];
}

async function owner(): Promise<[number, number]> {
  if (process.getuid?.() !== 0) return [process.getuid?.() ?? -1, process.getgid?.() ?? -1];
  const line = new RegExp(`^${user}:[^:]*:(\\d+):(\\d+):`, "m").exec(
    await readFile("/etc/passwd", "utf8"),
  );
  if (line === null) throw new Error(`there is no user ${user}`);
  return [Number(line[1]), Number(line[2])];
}

async function write(path: string, text: string): Promise<void> {
  await writeFile(path, `${text}\n`, { mode: 0o600 });
  const [uid, gid] = await owner();
  await chown(path, uid, gid);
}
