import { createSecureContext } from "node:tls";
import type { SecureContextOptions } from "node:tls";
import { BindingError, messageOf } from "../../errors.ts";
import { readRegularFile, UnreadableFile } from "../../regular-file.ts";

type TlsMaterial = {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
};

/** Reads certificates and key, each PEM text or a file of it. Throws a `BindingError`. */
export async function readTls(material: TlsMaterial): Promise<SecureContextOptions> {
  const both = material.cert && material.key;
  const tls: SecureContextOptions = {
    minVersion: "TLSv1.2",
    ...(material.ca ? { ca: await readPem("MTLSRootCA", material.ca) } : {}),
    ...(both ? { cert: await readPem("MTLSClientCert", material.cert) } : {}),
    ...(both ? { key: await readPem("MTLSClientKey", material.key) } : {}),
  };
  try {
    createSecureContext(tls);
  } catch (error) {
    throw new BindingError(
      "invalid_argument",
      `failed to load client certificate or root certificate: ${messageOf(error)}`,
    );
  }
  if (typeof tls.ca === "string" && !tls.ca.includes("-----BEGIN CERTIFICATE-----")) {
    throw new BindingError(
      "invalid_argument",
      "failed to add root certificate to certpool: it holds none",
    );
  }
  return tls;
}

/** A larger file holds no certificates or key. */
const largestPem = 1024 * 1024;

/** A value that is PEM text itself, or else names a file of it. */
async function readPem(field: string, value: string): Promise<string> {
  if (/-----BEGIN [^-]+-----/.test(value)) return value;
  try {
    return (await readRegularFile(value, { largest: largestPem })).toString("utf8");
  } catch (error) {
    // The value itself is not told: it may be a key that was not pasted whole.
    const why = error instanceof UnreadableFile ? (error.code ?? error.message) : messageOf(error);
    throw new BindingError(
      "invalid_argument",
      `provided "${field}" value is neither a valid file path or nor a valid pem encoded string (${why})`,
    );
  }
}
