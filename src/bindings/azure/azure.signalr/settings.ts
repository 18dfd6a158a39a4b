import { BindingError } from "../../../errors.ts";
import { parseAddress } from "../../../http-client/address.ts";
import type { EntraSettings } from "../../../identity/azure/settings.ts";
import type { SignalrMetadata } from "./fields.ts";

export type SignalrSettings = {
  /** Without a slash at its end. */
  readonly endpoint: string;
  /** Empty: the component logs in to Entra ID. */
  readonly accessKey: string;
  readonly entra: EntraSettings;
};

/** Reads the connection string and what takes its place. Throws a `BindingError`, in Dapr's words. */
export function readSettings(metadata: SignalrMetadata): SignalrSettings {
  const said = metadata.connectionString ? parts(metadata.connectionString) : new Map();
  const type = said.get("AuthType");
  if (type !== undefined && type !== "aad")
    throw wrong("invalid value for AuthType in the connection string; only 'aad' is supported");
  const version = said.get("Version");
  if (version !== undefined && version !== "1.0")
    throw wrong(
      `invalid value for Version in the connection string: '${version}'; only version '1.0' is supported`,
    );
  if (metadata.connectionString && !said.has("AccessKey") && type === undefined)
    throw wrong("missing AccessKey in the connection string");
  const endpoint = (metadata.endpoint || said.get("Endpoint") || "").replace(/\/$/, "");
  if (endpoint === "") throw wrong("missing endpoint in the metadata or connection string");
  parseAddress(endpoint);
  if (/[?#]/.test(endpoint)) throw wrong("endpoint must have no query and no fragment");
  return {
    endpoint,
    accessKey: metadata.accessKey || said.get("AccessKey") || "",
    entra: {
      ...metadata,
      azureClientId: said.get("ClientId") ?? metadata.azureClientId,
      azureClientSecret: said.get("ClientSecret") ?? metadata.azureClientSecret,
      azureTenantId: said.get("TenantId") ?? metadata.azureTenantId,
    },
  };
}

function parts(text: string): Map<string, string> {
  const said = new Map<string, string>();
  for (const part of text.trim().split(";")) {
    if (part === "") continue;
    const [, name, value] = /^([^=]*)=(.+)$/s.exec(part) ?? [];
    if (name === undefined || value === undefined)
      throw wrong("the connection string is invalid or malformed");
    said.set(name, value);
  }
  return said;
}

function wrong(message: string): BindingError {
  return new BindingError("invalid_argument", message);
}
