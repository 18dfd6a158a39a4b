import { X509Certificate } from "node:crypto";
import { delimiter, join } from "node:path";
import tls from "node:tls";
import { messageOf } from "../errors.ts";
import { readNames, readRegularFile } from "../regular-file.ts";

/** Authorities of a whole system are a quarter of a megabyte. */
const largestFile = 8 * 1024 * 1024;
const certificates = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * Makes all that this thread connects to by TLS trust the certificates of `SSL_CERT_FILE`, and of the files in the folders of
 * `SSL_CERT_DIR`, beside those that Node trusts. Where a connection has authorities of its own, those count alone. Never
 * rejects: `log` is told what could not be used, and the rest is.
 */
export async function trustEnvironmentAuthorities(
  log: { warn(text: string): void },
  environment: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  const known = tls.getCACertificates("default");
  // One is written with other line ends here and there.
  const seen = new Set(known.map(withoutSpace));
  const found: string[] = [];
  const add = (variable: string, path: string, text: string): void => {
    for (const certificate of text.match(certificates) ?? []) {
      const written = withoutSpace(certificate);
      if (seen.has(written)) continue;
      seen.add(written);
      if (isCertificate(certificate)) found.push(certificate);
      else log.warn(`${variable}: a certificate of ${path} cannot be read and is left out`);
    }
  };
  const unusable = (variable: string, path: string, error: unknown): void =>
    log.warn(`${variable}: ${path} ${messageOf(error)}; its authorities are not trusted`);
  const file = environment["SSL_CERT_FILE"];
  if (file) {
    try {
      const text = await textOf(file);
      if (text.search(certificates) === -1)
        log.warn(`SSL_CERT_FILE: ${file} has no certificate in PEM; correct the path`);
      add("SSL_CERT_FILE", file, text);
    } catch (error) {
      unusable("SSL_CERT_FILE", file, error);
    }
  }
  for (const folder of environment["SSL_CERT_DIR"]?.split(delimiter) ?? []) {
    if (folder === "") continue;
    try {
      const paths = (await readNames(folder)).map((name) => join(folder, name));
      // What else lies in such a folder is none of ours.
      const texts = await Promise.all(paths.map((path) => textOf(path).catch(() => "")));
      for (const [index, path] of paths.entries()) add("SSL_CERT_DIR", path, texts[index] ?? "");
    } catch (error) {
      unusable("SSL_CERT_DIR", folder, error);
    }
  }
  if (found.length > 0) tls.setDefaultCACertificates([...known, ...found]);
}

async function textOf(path: string): Promise<string> {
  return (await readRegularFile(path, { largest: largestFile })).toString("latin1");
}

function withoutSpace(text: string): string {
  return text.replaceAll(/\s/g, "");
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}
