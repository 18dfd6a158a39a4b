import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readTls, type TlsFiles } from "../../src/server/tls-files.ts";
import { makeCertificates, type Certificates } from "../bindings/certificates.ts";
import { folder } from "../resources/folder.ts";

let made: Certificates;
beforeAll(() => (made = makeCertificates()));
afterAll(() => made.remove());

/** What is wrong with the files; the pair of the server but for what is said. */
async function problem(files: Partial<TlsFiles>): Promise<string> {
  const { certPath: cert, keyPath: key } = made.server;
  return readTls({ cert, key, ...files }).then(
    () => "nothing",
    (error: Error) => error.message,
  );
}

function file(name: string, text: string): string {
  return join(folder({ [name]: text }), name);
}

function encrypted(passphrase: string): string {
  const out = join(folder({}), "encrypted.key");
  execFileSync("openssl", [
    ...["pkcs8", "-topk8", "-in", made.server.keyPath, "-out", out],
    ...["-passout", `pass:${passphrase}`],
  ]);
  return out;
}

test("a pair is read, with the authority's certificate behind the server's own", async () => {
  const cert = file("chain.pem", `${made.server.cert}\n${made.ca}`);
  const read = await readTls({ cert, key: made.server.keyPath });
  expect(read.material.cert).toContain(made.ca);
  expect(read.to.getTime() - read.from.getTime()).toBe(2 * 24 * 3600_000);
});

test("an encrypted key, by the passphrase in a file", async () => {
  const key = encrypted("s3same");
  expect(await problem({ key, passphrase: file("p", "s3same\n") })).toBe("nothing");
  expect(await problem({ key })).toBe(
    `--tls-key ${key} is encrypted; say --tls-key-passphrase-file FILE`,
  );
  const wrong = file("wrong", "sesame");
  expect(await problem({ key, passphrase: wrong })).toBe(
    `--tls-key ${key} cannot be decrypted by the passphrase in --tls-key-passphrase-file ${wrong}`,
  );
  expect(await problem({ key, passphrase: "/no/such" })).toBe(
    "--tls-key-passphrase-file /no/such cannot be read: there is no such file or folder",
  );
});

test("whatever else is wrong names the flag and the file, and no secret", async () => {
  const { certPath, keyPath, key: keyText } = made.server;
  expect(await problem({ cert: "/no/such" })).toBe(
    "--tls-cert /no/such cannot be read: there is no such file or folder",
  );
  expect(await problem({ key: "/dev/zero" })).toBe(
    "--tls-key /dev/zero is a device, no regular file",
  );
  expect(await problem({ cert: keyPath })).toBe(
    `--tls-cert ${keyPath} holds a private key and no certificate; --tls-cert and --tls-key look swapped`,
  );
  expect(await problem({ key: certPath })).toBe(
    `--tls-key ${certPath} holds a certificate and no private key; --tls-cert and --tls-key look swapped`,
  );
  expect(await problem({ key: made.client.keyPath })).toBe(
    `--tls-key ${made.client.keyPath} is not the key of the first certificate in --tls-cert ${certPath}`,
  );
  const reversed = file("reversed.pem", `${made.ca}\n${made.server.cert}`);
  expect(await problem({ cert: reversed })).toContain("is not the key of the first certificate in");
  const der = join(folder({}), "cert.der");
  execFileSync("openssl", ["x509", "-in", certPath, "-outform", "DER", "-out", der]);
  expect(await problem({ cert: der })).toContain(`--tls-cert ${der} holds no certificate in PEM`);
  writeFileSync(der, readFileSync(certPath, "utf8").replace(/[A-Za-z]{20}/, "a"));
  expect(await problem({ cert: der })).toContain(
    `--tls-cert ${der}: its certificate cannot be read`,
  );
  const cut = file("cut.key", `${keyText.slice(0, 80)}\n-----END PRIVATE KEY-----\n`);
  const told = await problem({ key: cut });
  expect(told).toContain(`--tls-key ${cut} cannot be read as a private key`);
  expect(told).not.toContain(keyText.slice(40, 60));
  const half = file(
    "half.pem",
    `${made.server.cert}\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`,
  );
  expect(await problem({ cert: half })).toContain(
    `--tls-cert ${half}: certificate 2 cannot be read`,
  );
});
