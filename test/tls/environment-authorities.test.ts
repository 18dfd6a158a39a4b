import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import tls from "node:tls";
import { afterAll, afterEach, expect, onTestFinished, test, vi } from "vitest";
import { trustEnvironmentAuthorities } from "../../src/tls/environment-authorities.ts";
import { makeCertificates } from "../bindings/certificates.ts";
import { listen } from "../bindings/http/loopback-server.ts";

const certificates = makeCertificates();
const folder = mkdtempSync(join(tmpdir(), "cufflink-authorities-"));
const known = tls.getCACertificates("default");
afterEach(() => tls.setDefaultCACertificates(known));
afterAll(() => {
  certificates.remove();
  rmSync(folder, { recursive: true });
});

const fingerprints = (pems: readonly string[]): string[] =>
  pems.map((pem) => new X509Certificate(pem).fingerprint256);
const trustedNow = (): Set<string> => new Set(fingerprints(tls.getCACertificates("default")));

/** Whether a server whose certificate is that authority's is trusted. */
async function isTrusted(more: tls.ConnectionOptions = {}): Promise<boolean> {
  const { cert, key } = certificates.server;
  const server = tls.createServer({ cert, key }, (socket) => socket.on("error", () => undefined));
  server.on("tlsClientError", () => undefined);
  onTestFinished(() => void server.close());
  const socket = tls.connect({ host: "127.0.0.1", port: await listen(server), ...more });
  const trusted = await once(socket, "secureConnect").then(
    () => true,
    () => false,
  );
  socket.destroy();
  return trusted;
}

async function trust(environment: NodeJS.ProcessEnv): Promise<string[]> {
  const warnings: string[] = [];
  await trustEnvironmentAuthorities({ warn: (text) => void warnings.push(text) }, environment);
  return warnings;
}

test("nothing is changed without the variables, and nobody unknown is trusted", async () => {
  const set = vi.spyOn(tls, "setDefaultCACertificates");
  onTestFinished(() => set.mockRestore());
  expect(await trust({ SSL_CERT_FILE: "", SSL_CERT_DIR: "" })).toEqual([]);
  expect(set).not.toHaveBeenCalled();
  expect(await isTrusted()).toBe(false);
});

test("SSL_CERT_FILE: its authorities, beside those that Node has", async () => {
  expect(await trust({ SSL_CERT_FILE: certificates.caPath })).toEqual([]);
  expect(await isTrusted()).toBe(true);
  expect(trustedNow()).toEqual(
    new Set([...fingerprints(known), ...fingerprints([certificates.ca])]),
  );
});

test("a connection with authorities of its own trusts those alone", async () => {
  expect(await trust({ SSL_CERT_FILE: certificates.caPath })).toEqual([]);
  expect(await isTrusted({ ca: known[0] })).toBe(false);
});

test("SSL_CERT_DIR: several folders, whatever else lies in them", async () => {
  const [empty, full] = [join(folder, "empty"), join(folder, "full")];
  for (const path of [empty, full, join(full, "sub")]) mkdirSync(path);
  writeFileSync(join(full, "README"), "text");
  writeFileSync(join(full, "5ed36f99.0"), `${certificates.ca}\n${certificates.ca}`);
  expect(await trust({ SSL_CERT_DIR: [empty, "", full].join(delimiter) })).toEqual([]);
  expect(await isTrusted()).toBe(true);
  expect(trustedNow()).toEqual(
    new Set([...fingerprints(known), ...fingerprints([certificates.ca])]),
  );
});

test("what Node trusts already costs no new store", async () => {
  const path = join(folder, "known.pem");
  // Another program writes other line ends.
  writeFileSync(path, known.join("\n").replaceAll("\n", "\r\n"));
  const set = vi.spyOn(tls, "setDefaultCACertificates");
  onTestFinished(() => set.mockRestore());
  expect(await trust({ SSL_CERT_FILE: path })).toEqual([]);
  expect(set).not.toHaveBeenCalled();
});

test("what cannot be used is told, and the rest is used", async () => {
  const [none, broken] = [join(folder, "none.pem"), join(folder, "broken.pem")];
  writeFileSync(none, "no certificate");
  const nonsense = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
  writeFileSync(broken, nonsense + certificates.ca);
  expect(await trust({ SSL_CERT_FILE: none })).toEqual([
    `SSL_CERT_FILE: ${none} has no certificate in PEM; correct the path`,
  ]);
  const gone = join(folder, "gone");
  expect(await trust({ SSL_CERT_FILE: gone, SSL_CERT_DIR: gone })).toEqual([
    `SSL_CERT_FILE: ${gone} cannot be read: there is no such file or folder; its authorities are not trusted`,
    `SSL_CERT_DIR: ${gone} cannot be read: there is no such file or folder; its authorities are not trusted`,
  ]);
  expect(await isTrusted()).toBe(false);
  expect(await trust({ SSL_CERT_FILE: broken })).toEqual([
    `SSL_CERT_FILE: a certificate of ${broken} cannot be read and is left out`,
  ]);
  expect(await isTrusted()).toBe(true);
});
