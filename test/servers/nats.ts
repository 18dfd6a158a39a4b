import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { withFileLock } from "./install.ts";
import { parseUrl, portAt } from "./kind.ts";
import type { ServerKind } from "./kind.ts";
import { findProgram, searchPath } from "./server-process.ts";

export interface NatsOptions {
  /** Further lines of the configuration, such as `authorization { token: x }`. */
  readonly config?: readonly string[];
  /** It demands TLS, with this certificate and key. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly verifyWith?: string };
}

export interface NatsNode {
  /** Where its configuration is; it is read again at SIGHUP. */
  readonly configuration: string;
}

const run = promisify(execFile);
const version = "v2.15.2";

/** NATS with JetStream, its streams on disk, built from its Go module. Debian's 2.9 delivers in another order. */
export const nats: ServerKind<NatsOptions, object, NatsNode> = {
  title: "NATS",
  variable: "NATS_URL",
  ports: 1,
  startTimeout: 20_000,
  greeting: {
    question: Buffer.from('CONNECT {"verbose":false}\r\nPING\r\n'),
    isAnswer: (answer) => answer.toString("latin1").startsWith("INFO {"),
  },
  startedLine: /Server is ready/,
  url: (host, port) => `nats://${host}:${port}`,
  parse: (value) => parseUrl(value, 4222),
  isInstalled: () => natsProgram() !== undefined,
  install,
  async prepare(place, options) {
    const file = configurationOf(place.folder);
    const lines = [
      `listen: "${place.host}:${portAt(place, 0)}"`,
      `jetstream { store_dir: "${join(place.folder, "data")}" }`,
      ...(options.config ?? []),
    ];
    if (options.tls !== undefined) {
      const files = { cert: join(place.folder, "cert.pem"), key: join(place.folder, "key.pem") };
      await writeFile(files.cert, options.tls.cert);
      await writeFile(files.key, options.tls.key);
      const ca = join(place.folder, "ca.pem");
      if (options.tls.verifyWith !== undefined) await writeFile(ca, options.tls.verifyWith);
      const verify = options.tls.verifyWith === undefined ? "" : `, ca_file: "${ca}", verify: true`;
      lines.push(`tls { cert_file: "${files.cert}", key_file: "${files.key}"${verify} }`);
    }
    // A test may have written another one.
    if (!existsSync(file)) await writeFile(file, `${lines.join("\n")}\n`);
    return [{ program: natsProgram() ?? "nats-server", arguments: ["-c", file] }];
  },
  extras: () => ({}),
  ownExtras: ({ folder }) => ({ configuration: configurationOf(folder) }),
};

function configurationOf(folder: string): string {
  return join(folder, "nats.conf");
}

async function install(): Promise<void> {
  const go = findProgram("go", "/usr/local/go/bin/go");
  if (go === undefined || process.env["CUFFLINK_TEST_INSTALL"] === "0") {
    const why = go === undefined ? "there is no Go" : "CUFFLINK_TEST_INSTALL=0 forbids";
    throw new Error(`NATS ${version} is not installed, and ${why} to build it`);
  }
  await withFileLock("cufflink-nats", async () => {
    if (existsSync(built())) return;
    await mkdir(cache(), { recursive: true });
    const fresh = await mkdtemp(join(cache(), "building-"));
    try {
      const options = ["install", "-p", "2", "-trimpath", "-ldflags", "-s -w"];
      await run(go, [...options, `github.com/nats-io/nats-server/v2@${version}`], {
        env: { ...process.env, PATH: searchPath(), GOBIN: fresh, GOFLAGS: "" },
        timeout: 600_000,
        maxBuffer: 64 << 20,
      });
      await rename(join(fresh, "nats-server"), built());
    } finally {
      await rm(fresh, { recursive: true, force: true });
    }
  });
}

/** The server that the tests start; `undefined`: there is none. */
export function natsProgram(): string | undefined {
  return findProgram(built());
}

function built(): string {
  return join(cache(), "nats-server");
}

function cache(): string {
  const home = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  return join(home, "cufflink", `nats-${version}`);
}
