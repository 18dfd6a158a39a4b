import { createSecureContext } from "node:tls";
import type { SecureContextOptions } from "node:tls";
import { BindingError, messageOf } from "../../errors.ts";
import { pemOrFile } from "../../tls/pem.ts";

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
    ...(material.ca ? { ca: await pemOrFile("MTLSRootCA", material.ca) } : {}),
    ...(both ? { cert: await pemOrFile("MTLSClientCert", material.cert) } : {}),
    ...(both ? { key: await pemOrFile("MTLSClientKey", material.key) } : {}),
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
