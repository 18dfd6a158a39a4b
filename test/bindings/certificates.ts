import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

type Pair = {
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

/** `hosts`: names that the server's certificate is for, beside those of this machine. */
export function makeCertificates(hosts: readonly string[] = []): Certificates {
  const folder = mkdtempSync(join(tmpdir(), "cufflink-certificates-"));
  const path = (name: string): string => join(folder, name);
  const openssl = (...args: (string | readonly string[])[]): void => {
    execFileSync("openssl", args.flat(), { stdio: "pipe", timeout: 20_000 });
  };
  const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const [caKey, caPath] = [path("ca.key"), path("ca.pem")];
  const subject = ["-days", "2", "-subj", "/CN=test authority"];
  openssl("req", "-x509", ec, "-keyout", caKey, "-out", caPath, subject);
  const sign = (name: string, extensions: string): Pair => {
    writeFileSync(path(`${name}.ext`), extensions);
    const [keyPath, request, certPath] = [
      path(`${name}.key`),
      path(`${name}.csr`),
      path(`${name}.pem`),
    ];
    openssl("req", ec, "-keyout", keyPath, "-out", request, "-subj", `/CN=${name}`);
    const signer = ["-CA", caPath, "-CAkey", caKey, "-CAcreateserial", "-days", "2"];
    openssl(
      "x509",
      "-req",
      "-in",
      request,
      signer,
      "-out",
      certPath,
      "-extfile",
      path(`${name}.ext`),
    );
    const read = (file: string): string => readFileSync(file, "utf8");
    return { cert: read(certPath), key: read(keyPath), certPath, keyPath };
  };
  const names = ["DNS:localhost", "IP:127.0.0.1", ...hosts.map((host) => `DNS:${host}`)];
  return {
    server: sign("server", `subjectAltName=${names.join(",")}\n`),
    client: sign("client", "extendedKeyUsage=clientAuth\n"),
    ca: readFileSync(caPath, "utf8"),
    caPath,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
