import { readFileSync } from "node:fs";
import { messageOf } from "../../errors.ts";

/** PEM texts. */
export type TlsFiles = {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
};

/** Reads the files that are named. Throws an error that names the file which cannot be read. */
export function readTlsFiles(
  names: Readonly<Record<"ca" | "cert" | "key", string | undefined>>,
): TlsFiles {
  const texts: Partial<Record<"ca" | "cert" | "key", string>> = {};
  for (const field of ["ca", "cert", "key"] as const) {
    const name = names[field];
    if (name === undefined) continue;
    try {
      texts[field] = readFileSync(name, "utf8");
    } catch (error) {
      throw new Error(`the certificate file ${name} cannot be read: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }
  return texts;
}
