import { BindingError } from "../../errors.ts";
import { openEntra } from "../../identity/azure/entra.ts";
import type { EntraSettings } from "../../identity/azure/settings.ts";
import { readSharedKey } from "./shared-key.ts";
import type { StorageLogin } from "./storage-client.ts";

export type LoginSettings = EntraSettings & {
  readonly accountName?: string | undefined;
  readonly accountKey?: string | undefined;
};

export type LoginOptions = {
  readonly metadata: LoginSettings;
  readonly driver: (name: string) => unknown;
  readonly hide: ((secret: string) => void) | undefined;
};

/** By the account's key where that is given, else by Entra ID. Throws a `BindingError`; asks for nothing. */
export function loginOf({ metadata, driver, hide }: LoginOptions): StorageLogin {
  const { accountName = "", accountKey } = metadata;
  if (accountKey) return { sharedKey: readSharedKey(accountName, accountKey) };
  return { entra: openEntra({ settings: metadata, driver, hide }) };
}

/** Where a service of the account is: `suffix` as `core.windows.net`. Throws a `BindingError` for a name that is none. */
export function serviceUrl(
  service: "blob" | "queue",
  account: string,
  suffix: string,
  endpoint: string | undefined,
): string {
  if (!/^[a-z0-9][a-z0-9-]*$/i.test(account))
    throw new BindingError(
      "invalid_argument",
      "accountName may have letters, digits and hyphens only",
    );
  return endpoint
    ? `${endpoint.replace(/\/+$/, "")}/${account}`
    : `https://${account}.${service}.${suffix}`;
}
