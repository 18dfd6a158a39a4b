import { BindingError } from "../../../errors.ts";
import { cloudOf } from "../../../identity/azure/settings.ts";
import { readStorageConnectionString, type Account } from "../storage-connection-string.ts";
import { loginOf, serviceUrl } from "../storage-login.ts";
import type { BlobMetadata } from "./fields.ts";

export type Tools = {
  readonly driver: (name: string) => unknown;
  readonly hide: ((secret: string) => void) | undefined;
};

/** Where the account's blobs are, and how to log in. Throws a `BindingError`; asks for nothing. */
export function accountOf(metadata: BlobMetadata, tools: Tools): Account {
  if (metadata.connectionString)
    return readStorageConnectionString(
      "connectionString",
      "blob",
      metadata.connectionString,
      tools.hide,
    );
  const { accountName, endpoint } = metadata;
  if (!accountName) throw wrong("missing or empty accountName field from metadata");
  const { storageSuffix } = cloudOf(metadata);
  const own = `https://${accountName}.blob.${storageSuffix}`;
  // Azure's own is known, and has the account in its name.
  const given = endpoint?.replace(/\/+$/, "") === own ? undefined : endpoint;
  return {
    url: serviceUrl("blob", accountName, storageSuffix, given),
    login: loginOf({ metadata, ...tools }),
  };
}

/**
 * Where the queue of notifications is: by a connection string of its own, in another account, or in that of the blobs,
 * whose log-in it has then. Throws a `BindingError`; asks for nothing.
 */
export function queueAccountOf(
  metadata: BlobMetadata,
  blobs: Account | undefined,
  tools: Tools,
): Account {
  const { notificationConnectionString: own, connectionString, notificationEndpoint } = metadata;
  if (own)
    return readStorageConnectionString("notificationConnectionString", "queue", own, tools.hide);
  const { storageSuffix } = cloudOf(metadata);
  const { accountName = "", notificationAccountName } = metadata;
  const isOther = Boolean(notificationAccountName) && notificationAccountName !== accountName;
  if (connectionString && !isOther) {
    const found = readStorageConnectionString(
      "connectionString",
      "queue",
      connectionString,
      tools.hide,
    );
    return notificationEndpoint ? { ...found, url: notificationEndpoint } : found;
  }
  const account = notificationAccountName || accountName;
  if (account === "") throw wrong("missing or empty accountName field from metadata");
  const url = serviceUrl("queue", account, storageSuffix, notificationEndpoint);
  if (!isOther) return { url, login: blobs?.login ?? loginOf({ metadata, ...tools }) };
  // The key is that of the blobs' account.
  const byEntra = { ...metadata, accountKey: undefined };
  return { url, login: loginOf({ metadata: byEntra, ...tools }) };
}

function wrong(message: string): BindingError {
  return new BindingError("invalid_argument", message);
}
