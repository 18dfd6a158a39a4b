import { string } from "./fields.ts";

/** TLS material as text in PEM, as `tlsMaterial` reads it. */
export const pemFields = {
  caCert: string({
    description: "The PEM certificates of the authorities to trust.",
    example: "-----BEGIN CERTIFICATE-----…",
  }),
  clientCert: string({
    description: "The client's PEM certificate.",
    example: "-----BEGIN CERTIFICATE-----…",
  }),
  clientKey: string({
    description: "The key of the client's certificate, in PEM.",
    sensitive: true,
  }),
} as const;

/** The authorities to trust, for what Dapr has no such field. */
export const caCertField = {
  caCert: string({
    description:
      "The certificates of the authorities to trust in place of the system's, in PEM, or a file of them: for private clouds and emulators. Dapr has no such field.",
    example: "/certificates/ca.pem",
  }),
} as const;

/** TLS material as text in PEM, or files of it, as `pemOrFile` reads it. */
export const pemOrFileFields = {
  caCert: string({
    description:
      "The certificates of the authorities to trust in place of the system's, in PEM, or a file of them.",
  }),
  clientCert: string({
    description: "The client's certificate in PEM, or a file of it. Goes with `clientKey`.",
  }),
  clientKey: string({
    description: "The key of the client's certificate in PEM, or a file of it.",
    sensitive: true,
  }),
} as const;
