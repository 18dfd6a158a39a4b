import { join } from "node:path";
import { BindingError, messageOf } from "../../errors.ts";
import type { Values } from "../../metadata/fields.ts";
import { readNames, readRegularFile } from "../../regular-file.ts";
import { tlsMaterial } from "../../tls/pem.ts";
import type { RestTls } from "../rest.ts";
import type { vaultFields } from "./fields.ts";

const largestFile = 1024 * 1024;

/** Whom to trust, by the first of Dapr's three fields that is set. Throws a `BindingError`. */
export async function vaultTls(metadata: Values<typeof vaultFields>): Promise<RestTls> {
  const { skipVerify, tlsServerName } = metadata;
  const servername = tlsServerName ? { servername: tlsServerName } : {};
  if (skipVerify) return { rejectUnauthorized: false, ...servername };
  return { ...(await authorities(metadata)), ...servername };
}

async function authorities({
  caPem,
  caPath,
  caCert,
}: Values<typeof vaultFields>): Promise<{ ca?: string }> {
  if (caPem) return tlsMaterial({ caCert: caPem });
  if (!caPath && !caCert) return {};
  try {
    const files = caPath
      ? (await readNames(caPath, caPath)).map((name) => join(caPath, name))
      : [caCert ?? ""];
    const texts = files.map(async (file) => {
      const bytes = await readRegularFile(file, { largest: largestFile, place: caPath || file });
      return bytes.toString("utf8");
    });
    const pems = (await Promise.all(texts)).filter((text) => text.includes("-----BEGIN "));
    if (pems.length === 0) throw new Error("no certificate in PEM is there");
    return { ca: pems.join("\n") };
  } catch (error) {
    const field = caPath ? "caPath" : "caCert";
    throw new BindingError("invalid_argument", `${field} cannot be read: ${messageOf(error)}`);
  }
}
