import { createPrivateKey, X509Certificate, createHash } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import { Duplex } from "node:stream";
import { createSecureContext, TLSSocket } from "node:tls";
import { messageOf } from "../../errors.ts";
import type { AssertionKey } from "../../oauth/client-assertion.ts";
import { shroudedKeys } from "./pkcs12.ts";
import { refused } from "./settings.ts";
import type { EntraSettings } from "./settings.ts";

/** Reads the client's certificate and key. Throws a `BindingError` that quotes nothing of them. */
export async function readCertificate(settings: EntraSettings): Promise<AssertionKey> {
  const { azureCertificate: text = "", azureCertificateFile: file } = settings;
  const { azureCertificatePassword: password = "" } = settings;
  const bytes = file ? await readCertificateFile(file) : Buffer.from(text);
  const isPem = bytes.includes("-----BEGIN ");
  const where = file ? "azureCertificateFile" : "azureCertificate";
  try {
    if (isPem) return keyAndThumbprint(bytes.toString("utf8"), bytes.toString("utf8"));
    return readPkcs12(file ? bytes : Buffer.from(text, "base64"), password);
  } catch (error) {
    throw refused(`${where}: certificate is not valid: ${messageOf(error)}`);
  }
}

async function readCertificateFile(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw refused(`failed to read the certificate file (${file}): ${messageOf(error)}`);
  }
}

function keyAndThumbprint(pem: string, certificate: string): AssertionKey {
  const key = rsa(createPrivateKey(pem));
  return { key, thumbprint: thumbprintOf(new X509Certificate(certificate)) };
}

function readPkcs12(pfx: Buffer, passphrase: string): AssertionKey {
  let certificate: X509Certificate | undefined;
  try {
    // Node reads PKCS#12 only for TLS, so a socket that is never connected is asked for what it would show.
    const socket = new TLSSocket(new Duplex(), {
      secureContext: createSecureContext({ pfx, passphrase }),
      isServer: true,
    });
    certificate = socket.getX509Certificate();
    socket.destroy();
  } catch (error) {
    const isOld = /unsupported/i.test(messageOf(error));
    if (!isOld) throw error;
    throw new Error("the PKCS#12 is encrypted by RC2, which OpenSSL does not read; write it anew", {
      cause: error,
    });
  }
  if (certificate === undefined) throw new Error("the PKCS#12 has no certificate");
  for (const der of shroudedKeys(pfx)) {
    const key = rsa(createPrivateKey({ key: der, format: "der", type: "pkcs8", passphrase }));
    if (certificate.checkPrivateKey(key)) return { key, thumbprint: thumbprintOf(certificate) };
  }
  throw new Error("the PKCS#12 has no key of its certificate");
}

function rsa(key: KeyObject): KeyObject {
  if (key.asymmetricKeyType === "rsa") return key;
  throw new Error("certificate must contain an RSA private key");
}

function thumbprintOf({ raw }: X509Certificate): string {
  return createHash("sha1").update(raw).digest("base64url");
}
