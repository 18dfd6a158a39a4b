import { bool, oneOf, string } from "../../metadata/fields.ts";

/** Dapr's fields, and those for what its component cannot do: log-ins, version 1 of the engine, namespaces. */
export const vaultFields = {
  vaultAddr: string({
    description: "The address of the server.",
    default: "https://127.0.0.1:8200",
  }),
  vaultToken: string({
    description: "The token to read with. It is renewed where it can be.",
    sensitive: true,
  }),
  vaultTokenMountPath: string({
    description:
      "A file with the token, in place of `vaultToken`. It is read anew for each secret, so that an agent may renew it.",
    example: "/vault/secrets/token",
  }),
  appRoleId: string({
    description: "Log in by AppRole: the role's id. Dapr has no such field.",
    example: "db02de05-fa39-4855-059b-67221c5c2f63",
  }),
  appRoleSecretId: string({
    description: "The role's secret id, where it has one. Dapr has no such field.",
    sensitive: true,
  }),
  appRoleSecretIdPath: string({
    description:
      "A file with the secret id, in place of `appRoleSecretId`, read at each log-in. Dapr has no such field.",
    example: "/vault/secrets/secret-id",
  }),
  appRoleMountPath: string({
    description: "Where the AppRole method is mounted, beneath `auth`. Dapr has no such field.",
    default: "approle",
  }),
  kubernetesRole: string({
    description: "Log in by the pod's service account: Vault's role. Dapr has no such field.",
    example: "shop",
  }),
  kubernetesMountPath: string({
    description: "Where the Kubernetes method is mounted, beneath `auth`. Dapr has no such field.",
    default: "kubernetes",
  }),
  kubernetesTokenPath: string({
    description:
      "The service account's token, a file that is read at each log-in. Dapr has no such field.",
    default: "/var/run/secrets/kubernetes.io/serviceaccount/token",
  }),
  vaultNamespace: string({
    description: "The namespace of Vault Enterprise. Dapr has no such field.",
    example: "teams/shop",
  }),
  enginePath: string({ description: "Where the KV engine is mounted.", default: "secret" }),
  kvVersion: oneOf(["2", "1"], {
    description: "The version of the KV engine. Dapr has no such field, and reads 2.",
    default: "2",
  }),
  vaultKVPrefix: string({
    description: "The path beneath the engine that precedes each secret's name.",
    default: "dapr",
  }),
  vaultKVUsePrefix: bool({
    description: "False: no path precedes a secret's name.",
    default: "true",
  }),
  vaultValueType: oneOf(["map", "text"], {
    description:
      "`map`: a secret's keys are those of its data. `text`: its one key is its name, and the value all of its data as JSON.",
    default: "map",
  }),
  caPem: string({
    description: "The certificates of the authorities to trust, in PEM. It comes before `caPath`.",
    example: "-----BEGIN CERTIFICATE-----…",
  }),
  caPath: string({
    description: "A folder of such certificates. It comes before `caCert`.",
    example: "/etc/ssl/vault",
  }),
  caCert: string({ description: "A file of such certificates.", example: "/etc/ssl/vault.pem" }),
  skipVerify: bool({
    description: "Trust any certificate of the server. Only for tests.",
    default: "false",
  }),
  tlsServerName: string({
    description: "The name that the server's certificate must have.",
    example: "vault.example.com",
  }),
} as const;
