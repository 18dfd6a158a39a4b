import { createPrivateKey, X509Certificate, type KeyObject } from "node:crypto";
import { createSecureContext } from "node:tls";
import { BindingError, messageOf } from "../errors.ts";
import { readRegularFile } from "../regular-file.ts";

/** The files that `--tls-cert`, `--tls-key` and `--tls-key-passphrase-file` name. */
export type TlsFiles = {
  readonly cert: string;
  readonly key: string;
  readonly passphrase?: string | undefined;
};

/** What a TLS server needs, as PEM texts. */
export type TlsMaterial = {
  readonly cert: string;
  readonly key: string;
  readonly passphrase?: string | undefined;
};

/** What was read, with the time that it is valid for. */
export type ReadTls = { readonly material: TlsMaterial; readonly from: Date; readonly to: Date };

/** A larger file holds no certificates or key. */
const largestFile = 1024 * 1024;

/**
 * Reads the files and checks that a server can work with them: PEM, readable, of one pair. Rejects with a
 * `BindingError` that names the flag and the file. Whether the time is right is left to the caller.
 */
export async function readTls(files: TlsFiles): Promise<ReadTls> {
  const certFile = `--tls-cert ${files.cert}`;
  const keyFile = `--tls-key ${files.key}`;
  const cert = await readPem(certFile, files.cert);
  const key = await readPem(keyFile, files.key);
  const passphrase = files.passphrase && (await readPassphrase(files.passphrase));
  const leaf = readChain(certFile, cert);
  const privateKey = readKey(keyFile, key, files.passphrase, passphrase);
  if (!leaf.checkPrivateKey(privateKey)) {
    throw unusable(`${keyFile} is not the key of the first certificate in ${certFile}`);
  }
  const material = { cert, key, passphrase };
  try {
    createSecureContext(material);
  } catch (error) {
    throw unusable(`${certFile} and ${keyFile} cannot be used: ${messageOf(error)}`);
  }
  return { material, from: leaf.validFromDate, to: leaf.validToDate };
}

async function readPem(named: string, path: string): Promise<string> {
  try {
    return (await readRegularFile(path, { largest: largestFile })).toString("utf8");
  } catch (error) {
    throw unusable(`${named} ${messageOf(error)}`);
  }
}

/** One newline at the end is the editor's. */
async function readPassphrase(path: string): Promise<string> {
  const named = `--tls-key-passphrase-file ${path}`;
  return (await readPem(named, path)).replace(/\r?\n$/, "");
}

/** Every certificate of the file; the first is the server's own. */
function readChain(named: string, text: string): X509Certificate {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g) ?? [];
  const [first] = blocks.map((block, index) => {
    try {
      return new X509Certificate(block);
    } catch (error) {
      const which = blocks.length === 1 ? "its certificate" : `certificate ${index + 1}`;
      throw unusable(`${named}: ${which} cannot be read (${messageOf(error)})`);
    }
  });
  if (first !== undefined) return first;
  const swapped = /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text);
  throw unusable(
    swapped
      ? `${named} holds a private key and no certificate; --tls-cert and --tls-key look swapped`
      : `${named} holds no certificate in PEM, which begins with -----BEGIN CERTIFICATE-----`,
  );
}

function readKey(
  named: string,
  text: string,
  passphraseFile: string | undefined,
  passphrase: string | undefined,
): KeyObject {
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) {
    throw unusable(
      text.includes("-----BEGIN CERTIFICATE-----")
        ? `${named} holds a certificate and no private key; --tls-cert and --tls-key look swapped`
        : `${named} holds no private key in PEM, which begins with -----BEGIN PRIVATE KEY-----`,
    );
  }
  const isEncrypted = /ENCRYPTED/.test(text);
  if (isEncrypted && passphrase === undefined) {
    throw unusable(`${named} is encrypted; say --tls-key-passphrase-file FILE`);
  }
  try {
    return createPrivateKey({ key: text, ...(passphrase === undefined ? {} : { passphrase }) });
  } catch (error) {
    throw unusable(
      isEncrypted
        ? `${named} cannot be decrypted by the passphrase in --tls-key-passphrase-file ${passphraseFile ?? ""}`
        : `${named} cannot be read as a private key (${messageOf(error)})`,
    );
  }
}

function unusable(message: string): BindingError {
  return new BindingError("unavailable", message, { effect: "unsent" });
}
