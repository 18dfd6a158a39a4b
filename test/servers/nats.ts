import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { installedGoProgram, installGoProgram } from "./go-install.ts";
import { parseUrl, portAt } from "./kind.ts";
import type { ServerKind } from "./kind.ts";
import { findProgram } from "./server-process.ts";

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

const program = {
  name: "nats-server",
  folder: "nats",
  module: "github.com/nats-io/nats-server/v2",
  version: "v2.15.2",
};

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
  install: () => installGoProgram(program),
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

/** The server that the tests start; `undefined`: there is none. */
export function natsProgram(): string | undefined {
  return findProgram(installedGoProgram(program));
}
