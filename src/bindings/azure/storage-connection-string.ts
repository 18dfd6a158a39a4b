import { BindingError } from "../../errors.ts";
import { readSharedKey } from "./shared-key.ts";
import type { StorageLogin } from "./storage-client.ts";

/** Where a service of an account is, and how to log in. */
export type Account = { readonly url: string; readonly login: StorageLogin };

/** Azurite's account, which every tool knows. */
const development =
  "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1";

/** Reads one; `field`: what it is called. Throws a `BindingError` that quotes nothing of it. */
export function readStorageConnectionString(
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
