import { BindingError } from "../../../errors.ts";
import { cloudOf } from "../../../identity/azure/settings.ts";
import { readSharedKey } from "../shared-key.ts";
import type { StorageLogin } from "../storage-client.ts";
import { loginOf, serviceUrl } from "../storage-login.ts";
import type { BlobMetadata } from "./fields.ts";

export type Account = { readonly url: string; readonly login: StorageLogin };

export type Tools = {
  readonly driver: (name: string) => unknown;
  readonly hide: ((secret: string) => void) | undefined;
};

/** Where the account's blobs are, and how to log in. Throws a `BindingError`; asks for nothing. */
export function accountOf(metadata: BlobMetadata, tools: Tools): Account {
  if (metadata.connectionString)
    return readConnectionString("connectionString", "blob", metadata.connectionString, tools.hide);
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
  if (own) return readConnectionString("notificationConnectionString", "queue", own, tools.hide);
  const { storageSuffix } = cloudOf(metadata);
  const { accountName = "", notificationAccountName } = metadata;
  const isOther = Boolean(notificationAccountName) && notificationAccountName !== accountName;
  if (connectionString && !isOther) {
    const found = readConnectionString("connectionString", "queue", connectionString, tools.hide);
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

/** Azurite's account, which every tool knows. */
const development =
  "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1";

function readConnectionString(
  field: string,
  service: "blob" | "queue",
  text: string,
  hide: ((secret: string) => void) | undefined,
): Account {
  const isDevelopment = /(^|;)\s*UseDevelopmentStorage=true/i.test(text);
  const parts = new Map<string, string>();
  for (const part of (isDevelopment ? development : text).split(";")) {
    const at = part.indexOf("=");
    if (at > 0) parts.set(part.slice(0, at).trim().toLowerCase(), part.slice(at + 1).trim());
  }
  const name = parts.get("accountname") ?? "";
  const protocol = parts.get("defaultendpointsprotocol") || "https";
  const suffix = parts.get("endpointsuffix") || "core.windows.net";
  const url = parts.get(`${service}endpoint`) || `${protocol}://${name}.${service}.${suffix}`;
  const signature = parts.get("sharedaccesssignature");
  const key = parts.get("accountkey");
  if (name === "" && !parts.has(`${service}endpoint`))
    throw wrong(
      `${field} has neither AccountName nor ${service === "blob" ? "BlobEndpoint" : "QueueEndpoint"}`,
    );
  if (key) {
    hide?.(key);
    return { url, login: { sharedKey: readSharedKey(name, key) } };
  }
  if (!signature) throw wrong(`${field} has neither AccountKey nor SharedAccessSignature`);
  const sas = Object.fromEntries(new URLSearchParams(signature.replace(/^\?/, "")));
  if (sas["sig"]) hide?.(sas["sig"]);
  return { url, login: { sas } };
}

function wrong(message: string): BindingError {
  return new BindingError("invalid_argument", message);
}
