import { BindingError, messageOf } from "../errors.ts";
import { readRegularFile, UnreadableFile } from "../regular-file.ts";

/** Certificates and a key as node's TLS takes them. */
export type TlsMaterial = { ca?: string; cert?: string; key?: string };

/** The fields of metadata that have them as PEM text. */
export type PemFields = {
  readonly caCert?: string | undefined;
  readonly clientCert?: string | undefined;
  readonly clientKey?: string | undefined;
};

/** A larger file holds no certificates or key. */
const largestFile = 1024 * 1024;

/** Takes what metadata has as PEM text. Throws a `BindingError` that quotes nothing of a text that is none. */
export function tlsMaterial({ caCert, clientCert, clientKey }: PemFields): TlsMaterial {
  if (clientCert && !clientKey) {
    throw new BindingError(
      "invalid_argument",
      "the metadata has clientCert without clientKey; give both or neither",
    );
  }
  return {
    ...(caCert ? { ca: pemText("caCert", caCert) } : {}),
    ...(clientCert ? { cert: pemText("clientCert", clientCert) } : {}),
    ...(clientKey ? { key: pemText("clientKey", clientKey) } : {}),
  };
}

function pemText(field: string, text: string): string {
  if (/-----BEGIN [A-Z0-9 ]+-----/.test(text)) return text;
  throw new BindingError(
    "invalid_argument",
    `the metadata ${field} is not in PEM; paste it whole, with its BEGIN and END lines`,
  );
}

/** The PEM text of a field `caCert`, which is it or names a file of it; `undefined`: the system's authorities. Throws a `BindingError`. */
export async function authoritiesOf(caCert: string | undefined): Promise<string | undefined> {
  return caCert ? await pemOrFile("caCert", caCert) : undefined;
}

/** A value that is PEM text itself, or else names a file of it. Throws a `BindingError`. */
export async function pemOrFile(field: string, value: string): Promise<string> {
  if (/-----BEGIN [^-]+-----/.test(value)) return value;
  try {
    return (await readRegularFile(value, { largest: largestFile })).toString("utf8");
  } catch (error) {
    // The value itself is not told: it may be a key that was not pasted whole.
    const why = error instanceof UnreadableFile ? (error.code ?? error.message) : messageOf(error);
    throw new BindingError(
      "invalid_argument",
      `provided "${field}" value is neither a valid file path or nor a valid pem encoded string (${why})`,
    );
  }
}
