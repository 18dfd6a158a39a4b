import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export type Pair = {
  readonly cert: string;
  readonly key: string;
  readonly certPath: string;
  readonly keyPath: string;
};

/** An authority of the test's own with a server and a client certificate, made by openssl. */
export type Certificates = {
  readonly ca: string;
  readonly caPath: string;
  readonly server: Pair;
  readonly client: Pair;
  /** Deletes the files. */
  remove(): void;
};

export function makeCertificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), "cufflink-certificates-"));
  const path = (name: string): string => join(folder, name);
  const openssl = (...args: string[]): void => {
    execFileSync("openssl", args, { stdio: "pipe", timeout: 20_000 });
  };
  const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl(
    ...["req", "-x509", ...ec, "-keyout", path("ca.key"), "-out", path("ca.pem")],
    ...["-days", "2", "-subj", "/CN=test authority"],
  );
  const sign = (name: string, extensions: string): Pair => {
    writeFileSync(path(`${name}.ext`), extensions);
    openssl(
      ...["req", ...ec, "-keyout", path(`${name}.key`), "-out", path(`${name}.csr`)],
      ...["-subj", `/CN=${name}`],
    );
    openssl(
      ...[
        "x509",
        "-req",
        "-in",
        path(`${name}.csr`),
        "-CA",
        path("ca.pem"),
        "-CAkey",
        path("ca.key"),
      ],
      ...["-CAcreateserial", "-out", path(`${name}.pem`), "-days", "2"],
      ...["-extfile", path(`${name}.ext`)],
    );
    const [certPath, keyPath] = [path(`${name}.pem`), path(`${name}.key`)];
    const read = (file: string): string => readFileSync(file, "utf8");
    return { cert: read(certPath), key: read(keyPath), certPath, keyPath };
  };
  return {
    server: sign("server", "subjectAltName=DNS:localhost,IP:127.0.0.1\n"),
    client: sign("client", "extendedKeyUsage=clientAuth\n"),
    ca: readFileSync(path("ca.pem"), "utf8"),
    caPath: path("ca.pem"),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
