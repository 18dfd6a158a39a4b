import { BindingError } from "../../errors.ts";

/** How a component logs in to Entra ID, by the names of its fields. */
export type EntraSettings = {
  readonly azureTenantId?: string | undefined;
  readonly azureClientId?: string | undefined;
  readonly azureClientSecret?: string | undefined;
  readonly azureCertificate?: string | undefined;
  readonly azureCertificateFile?: string | undefined;
  readonly azureCertificatePassword?: string | undefined;
  readonly azureEnvironment?: string | undefined;
  readonly azureAuthMethods?: readonly string[] | undefined;
  readonly azureAuthorityHost?: string | undefined;
};

/** A cloud of Azure: where it gives tokens, and how its services are called. */
export type AzureCloud = {
  readonly authorityHost: string;
  /** What names of storage services end with: `ACCOUNT.blob.SUFFIX`. */
  readonly storageSuffix: string;
  readonly keyVaultSuffix: string;
  readonly serviceBusSuffix: string;
  readonly databaseScope: string;
  /** Azure Resource Manager. */
  readonly managementEndpoint: string;
  /** Who tokens in the older form are of: this, and the tenant. */
  readonly firstIssuer: string;
};

const publicCloud: AzureCloud = {
  authorityHost: "https://login.microsoftonline.com",
  storageSuffix: "core.windows.net",
  keyVaultSuffix: "vault.azure.net",
  serviceBusSuffix: "servicebus.windows.net",
  databaseScope: "https://ossrdbms-aad.database.windows.net/.default",
  managementEndpoint: "https://management.azure.com",
  firstIssuer: "https://sts.windows.net",
};

const chinaCloud: AzureCloud = {
  authorityHost: "https://login.chinacloudapi.cn",
  storageSuffix: "core.chinacloudapi.cn",
  keyVaultSuffix: "vault.azure.cn",
  serviceBusSuffix: "servicebus.chinacloudapi.cn",
  databaseScope: "https://ossrdbms-aad.database.chinacloudapi.cn/.default",
  managementEndpoint: "https://management.chinacloudapi.cn",
  firstIssuer: "https://sts.chinacloudapi.cn",
};

const governmentCloud: AzureCloud = {
  authorityHost: "https://login.microsoftonline.us",
  storageSuffix: "core.usgovcloudapi.net",
  keyVaultSuffix: "vault.usgovcloudapi.net",
  serviceBusSuffix: "servicebus.usgovcloudapi.net",
  databaseScope: "https://ossrdbms-aad.database.usgovcloudapi.net/.default",
  managementEndpoint: "https://management.usgovcloudapi.net",
  firstIssuer: "https://sts.windows.net",
};

const clouds: ReadonlyMap<string, AzureCloud> = new Map(
  Object.entries({
    "": publicCloud,
    azurepublic: publicCloud,
    azurepubliccloud: publicCloud,
    azurechina: chinaCloud,
    azurechinacloud: chinaCloud,
    azureusgovernment: governmentCloud,
    azureusgovernmentcloud: governmentCloud,
  }),
);

/** The cloud that `azureEnvironment` names, in any case. Throws a `BindingError` for any other name. */
export function cloudOf({ azureEnvironment = "" }: EntraSettings): AzureCloud {
  const cloud = clouds.get(azureEnvironment.toLowerCase());
  if (cloud !== undefined) return cloud;
  throw refused(`invalid Azure cloud: ${azureEnvironment}`);
}

export type AuthMethod = "secret" | "certificate" | "workload" | "managed" | "cli";

/** The words of `azureAuthMethods`, in lower case. SPIFFE needs Dapr's own authority. */
const methods: ReadonlyMap<string, AuthMethod | "none" | "spiffe"> = new Map(
  Object.entries({
    clientcredentials: "secret",
    creds: "secret",
    clientcertificate: "certificate",
    cert: "certificate",
    workloadidentity: "workload",
    wi: "workload",
    spiffeworkloadidentity: "spiffe",
    spiffe: "spiffe",
    managedidentity: "managed",
    mi: "managed",
    commandlineinterface: "cli",
    cli: "cli",
    none: "none",
  } as const),
);

/**
 * The ways to log in, in order. Without `azureAuthMethods` all of them; the Azure CLI only where no service of Azure
 * gives the process an identity. Throws a `BindingError` for words that are none.
 */
export function authMethodsOf(
  { azureAuthMethods = [] }: EntraSettings,
  environment: NodeJS.ProcessEnv = process.env,
): readonly AuthMethod[] {
  if (azureAuthMethods.length === 0) {
    const all: AuthMethod[] = ["secret", "certificate", "workload", "managed"];
    const isService = serviceVariables.some((name) => environment[name]);
    return isService ? all : [...all, "cli"];
  }
  const chosen: AuthMethod[] = [];
  for (const word of azureAuthMethods) {
    const method = methods.get(word.toLowerCase());
    if (method === undefined) throw refused(`invalid Azure auth method: ${word.toLowerCase()}`);
    if (method === "none")
      throw refused("all Azure auth methods have been disabled with auth method 'None'");
    if (method === "spiffe")
      throw refused(
        "azureAuthMethods: spiffeworkloadidentity is not supported, since it needs the certificate authority of Dapr; use workloadidentity",
      );
    chosen.push(method);
  }
  return chosen;
}

/** Set by App Service, Functions, Container Apps, Service Fabric, Arc and Cloud Shell, which have identities. */
const serviceVariables = ["IDENTITY_ENDPOINT", "IMDS_ENDPOINT", "MSI_ENDPOINT"];

/** Where Entra ID gives tokens, without a slash at its end. Throws a `BindingError` where a secret could be overheard. */
export function authorityHostOf(
  settings: EntraSettings,
  environment: NodeJS.ProcessEnv = process.env,
): string {
  const { azureAuthorityHost, azureEnvironment } = settings;
  const cloud = cloudOf(settings);
  // The environment's is that of the process's own cloud.
  const chosen =
    azureAuthorityHost ||
    (azureEnvironment ? "" : environment["AZURE_AUTHORITY_HOST"]) ||
    cloud.authorityHost;
  const url = URL.parse(chosen);
  const isLocal = url !== null && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname);
  if (url?.protocol === "https:" || (url?.protocol === "http:" && isLocal))
    return `${url.origin}${url.pathname}`.replace(/\/+$/, "");
  throw refused("azureAuthorityHost (or AZURE_AUTHORITY_HOST) must begin with https://");
}

/** The endpoint of a tenant's tokens. Throws a `BindingError` for an id that is none. */
export function tokenEndpoint(authorityHost: string, tenant: string): string {
  if (!/^[A-Za-z0-9.-]+$/.test(tenant))
    throw refused("azureTenantId may have letters, digits, periods and hyphens only");
  return `${authorityHost}/${tenant}/oauth2/v2.0/token`;
}

export function refused(message: string): BindingError {
  return new BindingError("invalid_argument", message);
}
