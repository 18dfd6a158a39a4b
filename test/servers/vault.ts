import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buildGoProgram, goProgram } from "./go-program.ts";
import { parseUrl, portAt } from "./kind.ts";
import type { ServerKind } from "./kind.ts";

export interface VaultOptions {
  /** It demands TLS, with this certificate and key. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

/** HashiCorp Vault's core: KV 2 at `secret/`, AppRole to be enabled. Building it takes minutes: for tests of clouds only. */
export const vault: ServerKind<VaultOptions, object, { readonly rootToken: string }> = {
  title: "Vault",
  variable: "VAULT_URL",
  ports: 1,
  startTimeout: 20_000,
  greeting: {
    question: Buffer.from("GET /v1/sys/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
    isAnswer: (answer) => answer.toString("latin1").startsWith("HTTP/1."),
  },
  startedLine: /^vault is unsealed/,
  url: (host, port) => `http://${host}:${port}`,
  parse: (value) => parseUrl(value, 8200),
  isInstalled: () => existsSync(goProgram("vault")),
  install: () => buildGoProgram("vault"),
  async prepare(place, { tls }) {
    const flags = [`${place.host}:${portAt(place, 0)}`, tokenFile(place.folder)];
    for (const [name, text] of Object.entries(tls ?? {})) {
      const path = join(place.folder, `${name}.pem`);
      await writeFile(path, text);
      flags.push(path);
    }
    return [{ program: goProgram("vault"), arguments: flags }];
  },
  extras: () => ({}),
  ownExtras: ({ folder }) => ({
    get rootToken() {
      return readFileSync(tokenFile(folder), "utf8");
    },
  }),
};

function tokenFile(folder: string): string {
  return join(folder, "root-token");
}
