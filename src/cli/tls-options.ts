import type { Command } from "commander";
import type { TlsFiles } from "../server/tls-files.ts";

/** Adds `--tls-cert`, `--tls-key` and `--tls-key-passphrase-file`. `what` speaks TLS then. */
export function addTlsOptions(command: Command, what: string): Command {
  return command
    .option("--tls-cert <file>", `PEM certificate chain: ${what}`)
    .option("--tls-key <file>", "PEM key of that certificate")
    .option("--tls-key-passphrase-file <file>", "a file with the passphrase of that key");
}

/** Reads them; `undefined`: no TLS. Adds what is wrong to the problems. */
export function readTlsOptions(
  flags: { readonly [name: string]: string | boolean | string[] | undefined },
  problems: string[],
): TlsFiles | undefined {
  const { tlsCert: cert, tlsKey: key, tlsKeyPassphraseFile: passphrase } = flags;
  if ((cert === undefined) !== (key === undefined))
    problems.push("--tls-cert and --tls-key go together; say both or neither");
  if (passphrase !== undefined && key === undefined)
    problems.push("--tls-key-passphrase-file is for the key of --tls-key");
  if (typeof cert !== "string" || typeof key !== "string") return undefined;
  return { cert, key, ...(typeof passphrase === "string" && { passphrase }) };
}
