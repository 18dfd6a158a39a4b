import { string } from "./fields.ts";

/**
 * A service account's key file, field by field, as Dapr's components of Google's cloud have it. Names with underscores,
 * as in the file itself, are taken too.
 */
export const googleFields = {
  projectID: string({
    description: "The project's id.",
    aliases: ["project_id"],
    required: true,
    example: "my-project",
  }),
  type: string({
    description: "The type of the credentials, `service_account`.",
    example: "service_account",
  }),
  privateKeyID: string({
    description:
      "The id of the service account's key. With it the fields of the key are used; without it Google's default credentials.",
    aliases: ["private_key_id"],
    sensitive: true,
  }),
  privateKey: string({
    description: "The service account's private key, in PEM.",
    aliases: ["private_key"],
    sensitive: true,
  }),
  clientEmail: string({
    description: "The service account's e-mail address.",
    aliases: ["client_email"],
    example: "orders@my-project.iam.gserviceaccount.com",
  }),
  clientID: string({
    description: "The service account's numeric id. It is not used.",
    aliases: ["client_id"],
  }),
  authURI: string({
    description: "The address where people log in. It is not used.",
    aliases: ["auth_uri"],
    example: "https://accounts.google.com/o/oauth2/auth",
  }),
  tokenURI: string({
    description:
      "The server that gives tokens. If it is Google's own, the requests carry a JWT that is signed here, and no server is asked.",
    aliases: ["token_uri"],
    example: "https://oauth2.googleapis.com/token",
  }),
  authProviderX509CertURL: string({
    description: "The address of Google's certificates. It is not used.",
    aliases: ["auth_provider_x509_cert_url"],
    example: "https://www.googleapis.com/oauth2/v1/certs",
  }),
  clientX509CertURL: string({
    description: "The address of the service account's certificates. It is not used.",
    aliases: ["client_x509_cert_url"],
  }),
} as const;
