import type { SecretStoreModule } from "../secret-store.ts";

/** Every type of secret store there is, to be loaded when a resource first names it. */
export const secretStoreModules: readonly SecretStoreModule[] = [
  { name: "aws.parameterstore", load: () => import("./aws/aws.parameterstore/index.ts") },
  { name: "aws.secretmanager", load: () => import("./aws/aws.secretmanager/index.ts") },
  { name: "azure.keyvault", load: () => import("./azure.keyvault/index.ts") },
  { name: "gcp.secretmanager", load: () => import("./gcp.secretmanager/index.ts") },
  { name: "hashicorp.vault", load: () => import("./hashicorp.vault/index.ts") },
  { name: "kubernetes", load: () => import("./kubernetes/index.ts") },
  { name: "local.env", load: () => import("./local.env/index.ts") },
  { name: "local.file", load: () => import("./local.file/index.ts") },
];
