import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { installPackages } from "./install.ts";
import { parseUrl, portAt } from "./kind.ts";
import type { Place, ServerKind } from "./kind.ts";
import { findProgram, searchPath } from "./server-process.ts";

export interface MariadbOptions {
  /** Further settings, such as `max_connections=5`. */
  readonly config?: readonly string[];
  /** It speaks TLS too, with this certificate and key. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

const run = promisify(execFile);
const user = "admin";
const password = "opensesame";
const database = "shop";

/** MariaDB with the superuser admin/opensesame and the database shop. Data on disk, not synced. */
export const mariadb: ServerKind<MariadbOptions, object, object> = {
  title: "MariaDB",
  variable: "MARIADB_URL",
  ports: 1,
  startTimeout: 60_000,
  greeting: {
    // It speaks first: the version of its protocol, after the length and the number of the packet.
    question: Buffer.alloc(0),
    isAnswer: (answer) => answer[4] === 10,
  },
  startedLine: /ready for connections/,
  url: (host, port) => `mysql://${user}:${password}@${host}:${port}/${database}`,
  parse: (value) => parseUrl(value, 3306),
  isInstalled: () => program("mariadbd") !== undefined && installer() !== undefined,
  install: () => installPackages("mariadb-server"),
  async prepare(place, options) {
    const data = join(place.folder, "data");
    if (!existsSync(join(data, "mysql"))) await initialize(place, data);
    const file = (name: string): string => join(place.folder, name);
    const init = [
      `CREATE USER IF NOT EXISTS ${user}@'%' IDENTIFIED BY '${password}';`,
      `GRANT ALL ON *.* TO ${user}@'%' WITH GRANT OPTION;`,
      `CREATE DATABASE IF NOT EXISTS ${database} CHARACTER SET utf8mb4;`,
    ];
    const lines = [
      "[mariadbd]",
      `datadir=${data}`,
      `bind-address=${place.host}`,
      `port=${portAt(place, 0)}`,
      `socket=${file("s.sock")}`,
      `pid-file=${file("pid")}`,
      `init-file=${file("init.sql")}`,
      ...["skip-name-resolve", "skip-log-bin", "performance-schema=off", "max-connections=500"],
      ...[
        "innodb-flush-log-at-trx-commit=0",
        "innodb-buffer-pool-size=32M",
        "default-time-zone=+00:00",
      ],
      // Who connects only to see whether it is there is not locked out for that.
      "max-connect-errors=1000000000",
      ...(process.getuid?.() === 0 ? ["user=root"] : []),
      ...(options.tls ? [`ssl-cert=${file("server.crt")}`, `ssl-key=${file("server.key")}`] : []),
      ...(options.config ?? []),
    ];
    if (options.tls) {
      await writeFile(file("server.crt"), options.tls.cert);
      await writeFile(file("server.key"), options.tls.key, { mode: 0o600 });
    }
    await writeFile(file("init.sql"), `${init.join("\n")}\n`);
    await writeFile(file("my.cnf"), `${lines.join("\n")}\n`);
    const server = program("mariadbd") ?? "mariadbd";
    return [{ program: server, arguments: [`--defaults-file=${file("my.cnf")}`] }];
  },
  extras: () => ({}),
  ownExtras: () => ({}),
};

async function initialize(place: Place, data: string): Promise<void> {
  const root = process.getuid?.() === 0 ? ["--user=root"] : [];
  await run(
    installer() ?? "mariadb-install-db",
    [
      ...["--no-defaults", `--datadir=${data}`, "--auth-root-authentication-method=normal"],
      ...["--skip-test-db", "--skip-name-resolve", "--innodb-flush-log-at-trx-commit=0", ...root],
    ],
    { cwd: place.folder, env: { PATH: searchPath(), LANG: "C.UTF-8" } },
  );
}

function program(name: string): string | undefined {
  return findProgram(`/usr/sbin/${name}`, name);
}

function installer(): string | undefined {
  return findProgram("/usr/bin/mariadb-install-db", "mariadb-install-db");
}
