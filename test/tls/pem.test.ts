import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { pemOrFile, tlsMaterial } from "../../src/tls/pem.ts";

const pem = "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----";

test("takes PEM texts; an empty one is none", () => {
  const material = tlsMaterial({ caCert: pem, clientCert: "", clientKey: "" });
  expect(material).toEqual({ ca: pem });
  expect(tlsMaterial({ clientCert: pem, clientKey: pem })).toEqual({ cert: pem, key: pem });
});

test("a text that is no PEM is refused and not quoted", () => {
  const use = () => tlsMaterial({ clientKey: "hunter2" });
  expect(use).toThrow(/^the metadata clientKey is not in PEM; (?!.*hunter2)/);
});

test("a certificate without its key is refused", () => {
  expect(() => tlsMaterial({ clientCert: pem })).toThrow("clientCert without clientKey");
});

test("a value is PEM text, or names a file of it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "cufflink-pem-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "ca.pem");
  writeFileSync(path, pem);
  expect(await pemOrFile("ca", pem)).toBe(pem);
  expect(await pemOrFile("ca", path)).toBe(pem);
  await expect(pemOrFile("ca", "hunter2")).rejects.toThrow(
    /^provided "ca" value is neither (?!.*hunter2)/,
  );
});
