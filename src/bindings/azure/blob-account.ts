import { BindingError } from "../../errors.ts";
import { cloudOf } from "../../identity/azure/settings.ts";
import { readSharedKey } from "./shared-key.ts";
import type { StorageLogin } from "./storage-client.ts";
import { loginOf, serviceUrl, type LoginSettings } from "./storage-login.ts";

export type Account = { readonly url: string; readonly login: StorageLogin };

type AccountSettings = LoginSettings & {
  readonly connectionString?: string | undefined;
  readonly endpoint?: string | undefined;
};

type Tools = {
  readonly driver: (name: string) => unknown;
  readonly hide: ((secret: string) => void) | undefined;
};

/** Where the account's blobs are, and how to log in. Throws a `BindingError`; asks for nothing. */
export function accountOf(metadata: AccountSettings, tools: Tools): Account {
  if (metadata.connectionString) return readConnectionString(metadata.connectionString, tools.hide);
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

/** Azurite's account, which every tool knows. */
const development =
  "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1";

function readConnectionString(text: string, hide: ((secret: string) => void) | undefined): Account {
  const isDevelopment = /(^|;)\s*UseDevelopmentStorage=true/i.test(text);
  const parts = new Map<string, string>();
  for (const part of (isDevelopment ? development : text).split(";")) {
    const at = part.indexOf("=");
    if (at > 0) parts.set(part.slice(0, at).trim().toLowerCase(), part.slice(at + 1).trim());
  }
  const name = parts.get("accountname") ?? "";
  const protocol = parts.get("defaultendpointsprotocol") || "https";
  const suffix = parts.get("endpointsuffix") || "core.windows.net";
  const url = parts.get("blobendpoint") || `${protocol}://${name}.blob.${suffix}`;
  const signature = parts.get("sharedaccesssignature");
  const key = parts.get("accountkey");
  if (name === "" && !parts.has("blobendpoint"))
    throw wrong("connectionString has neither AccountName nor BlobEndpoint");
  if (key) {
    hide?.(key);
    return { url, login: { sharedKey: readSharedKey(name, key) } };
  }
  if (!signature) throw wrong("connectionString has neither AccountKey nor SharedAccessSignature");
  const sas = Object.fromEntries(new URLSearchParams(signature.replace(/^\?/, "")));
  if (sas["sig"]) hide?.(sas["sig"]);
  return { url, login: { sas } };
}

function wrong(message: string): BindingError {
  return new BindingError("invalid_argument", message);
}
