import { randomBytes } from "node:crypto";

/** A certificate that vouches for itself, for the server that shows it and for those that trust it. */
export type ServerCertificate = {
  /** PEM. */
  readonly certificate: string;
  /** PEM, PKCS 8. It is in memory only. */
  readonly key: string;
  /** Milliseconds since 1970. */
  readonly madeAt: number;
  readonly notAfter: number;
};

export type CertificateOptions = {
  /** DNS names and IP addresses. */
  readonly hosts: readonly string[];
  /** Now, in milliseconds since 1970. */
  readonly now: number;
  /** How long it is valid, in milliseconds. */
  readonly validity: number;
};

/** What the common names of all injectors' certificates begin with: by it they are told apart from others in a bundle. */
export const commonName = "cufflink-injector-";

/** The clocks of API servers may be so far behind, in milliseconds. */
const skew = 600_000;

const oid = {
  commonName: "2.5.4.3",
  basicConstraints: "2.5.29.19",
  keyUsage: "2.5.29.15",
  extendedKeyUsage: "2.5.29.37",
  serverAuth: "1.3.6.1.5.5.7.3.1",
  alternativeName: "2.5.29.17",
};

/** Makes a key (ECDSA, P-256) and its certificate for a server of these names. */
export async function makeCertificate({
  hosts,
  now,
  validity,
}: CertificateOptions): Promise<ServerCertificate> {
  const [pki, asn1] = await Promise.all([import("pkijs"), import("asn1js")]);
  const { subtle } = globalThis.crypto;
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  const keys = await subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = new pki.Certificate();
  certificate.version = 2;
  // Positive, and not the same twice.
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  certificate.serialNumber = new asn1.Integer({ valueHex: new Uint8Array(serial).buffer });
  // Each has a name of its own, so that those who trust several find the right one by its name.
  const name = new pki.AttributeTypeAndValue({
    type: oid.commonName,
    value: new asn1.Utf8String({ value: commonName + randomBytes(8).toString("hex") }),
  });
  certificate.subject.typesAndValues.push(name);
  certificate.issuer.typesAndValues.push(name);
  const notAfter = now + validity;
  certificate.notBefore.value = new Date(now - skew);
  certificate.notAfter.value = new Date(notAfter);
  const extension = (extnID: string, critical: boolean, value: { toBER: () => ArrayBuffer }) =>
    new pki.Extension({ extnID, critical, extnValue: value.toBER() });
  const digitalSignature = new asn1.BitString({
    valueHex: new Uint8Array([0x80]).buffer,
    unusedBits: 7,
  });
  const names = new pki.GeneralNames({ names: hosts.map((host) => generalName(host)) });
  const usage = new pki.ExtKeyUsage({ keyPurposes: [oid.serverAuth] });
  certificate.extensions = [
    extension(oid.basicConstraints, true, new pki.BasicConstraints({ cA: false }).toSchema()),
    extension(oid.keyUsage, true, digitalSignature),
    extension(oid.extendedKeyUsage, false, usage.toSchema()),
    extension(oid.alternativeName, false, names.toSchema()),
  ];
  await certificate.subjectPublicKeyInfo.importKey(keys.publicKey);
  await certificate.sign(keys.privateKey, "SHA-256");
  return {
    certificate: pem("CERTIFICATE", certificate.toSchema(true).toBER(false)),
    key: pem("PRIVATE KEY", await subtle.exportKey("pkcs8", keys.privateKey)),
    madeAt: now,
    notAfter,
  };

  function generalName(host: string) {
    const address = ipBytes(host);
    return address === undefined
      ? new pki.GeneralName({ type: 2, value: host })
      : new pki.GeneralName({
          type: 7,
          value: new asn1.OctetString({ valueHex: new Uint8Array(address).buffer }),
        });
  }
}

/** Of an IPv4 address; `undefined`: it is none. */
function ipBytes(host: string): number[] | undefined {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(host)?.slice(1).map(Number);
  return parts?.every((part) => part < 256) === true ? parts : undefined;
}

function pem(label: string, bytes: ArrayBuffer): string {
  const lines = Buffer.from(bytes)
    .toString("base64")
    .replaceAll(/(.{64})(?=.)/g, "$1\n");
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
}
