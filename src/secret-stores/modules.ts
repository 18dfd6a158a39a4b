import type { SecretStoreModule } from "../secret-store.ts";

/** Every type of secret store there is, to be loaded when a resource first names it. */
export const secretStoreModules: readonly SecretStoreModule[] = [
  { name: "hashicorp.vault", load: () => import("./hashicorp.vault/index.ts") },
  { name: "local.env", load: () => import("./local.env/index.ts") },
  { name: "local.file", load: () => import("./local.file/index.ts") },
];
