import { readFile } from "node:fs/promises";
import { signAssertion } from "../../oauth/client-assertion.ts";
import type { AssertionKey } from "../../oauth/client-assertion.ts";
import { clientCredentials } from "../../oauth/client-credentials.ts";
import type { Token } from "../../oauth/token.ts";
import { readCertificate } from "./certificate.ts";
import { authMethodsOf, authorityHostOf, tokenEndpoint } from "./settings.ts";
import type { AuthMethod, EntraSettings } from "./settings.ts";

/** One way to log in. */
export type Link = {
  readonly name: string;
  /** Why it cannot be tried: what is not set. */
  readonly missing?: string | undefined;
  /** Where it fails, the next one is tried: it may be that the machine has no such identity. */
  readonly mayBeAbsent: boolean;
  /** Asks for a token once. */
  readonly ask: (scope: string, signal: AbortSignal) => Promise<Token>;
};

export type LinkOptions = {
  readonly settings: EntraSettings;
  /** Loads `@azure/identity`, for managed identities and the Azure CLI alone. */
  readonly driver: (name: string) => unknown;
  readonly hide: ((secret: string) => void) | undefined;
  readonly environment: NodeJS.ProcessEnv;
};

/** The package for the links that are more than one request to Entra ID. */
const entraDriver = "@azure/identity";
export const entraDrivers = { [entraDriver]: "4.14.1" } as const;

/** Milliseconds for a request for a token, and for the Azure CLI, which is a program in Python. */
const requestTimeout = 10_000;
const cliTimeout = 30_000;

/** Those that the settings ask for, in order. Throws a `BindingError` for settings that are wrong. */
export function linksOf(options: LinkOptions): readonly Link[] {
  const { settings, environment } = options;
  const host = authorityHostOf(settings, environment);
  return authMethodsOf(settings, environment).map((method) => builders[method](options, host));
}

const builders: Readonly<Record<AuthMethod, (options: LinkOptions, host: string) => Link>> = {
  secret: secretLink,
  certificate: certificateLink,
  workload: workloadLink,
  managed: managedLink,
  cli: cliLink,
};

function secretLink({ settings, hide }: LinkOptions, host: string): Link {
  const { azureTenantId: tenant, azureClientId: clientId, azureClientSecret: secret } = settings;
  const name = "client secret";
  if (!tenant || !clientId || !secret) {
    const missing = unset({
      azureTenantId: tenant,
      azureClientId: clientId,
      azureClientSecret: secret,
    });
    return absent(name, missing);
  }
  const prove = async () => ({ client_secret: secret });
  return oauthLink({ name, endpoint: tokenEndpoint(host, tenant), clientId, prove, hide });
}

function certificateLink({ settings, hide }: LinkOptions, host: string): Link {
  const { azureTenantId: tenant, azureClientId: clientId } = settings;
  const given = settings.azureCertificate || settings.azureCertificateFile;
  const name = "certificate";
  if (!tenant || !clientId || !given) {
    const missing = unset({
      azureTenantId: tenant,
      azureClientId: clientId,
      azureCertificate: given,
    });
    return absent(name, missing);
  }
  const endpoint = tokenEndpoint(host, tenant);
  const prove = async () => {
    // Read each time: a file may be renewed.
    const signer: AssertionKey = await readCertificate(settings);
    return signAssertion({ clientId, audience: endpoint, signer, keyId: undefined });
  };
  return oauthLink({ name, endpoint, clientId, prove, hide });
}

/** The token of a Kubernetes service account is the proof, as the variables of its webhook say. */
function workloadLink({ settings, hide, environment }: LinkOptions, host: string): Link {
  const tenant = environment["AZURE_TENANT_ID"] || settings.azureTenantId;
  const clientId = environment["AZURE_CLIENT_ID"] || settings.azureClientId;
  const file = environment["AZURE_FEDERATED_TOKEN_FILE"];
  const name = "workload identity";
  if (!tenant || !clientId || !file) {
    const missing = unset({
      AZURE_TENANT_ID: tenant,
      AZURE_CLIENT_ID: clientId,
      AZURE_FEDERATED_TOKEN_FILE: file,
    });
    return absent(name, missing);
  }
  const prove = async () => ({
    client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    // Renewed by Kubernetes.
    client_assertion: (await readFile(file, "utf8")).trim(),
  });
  return oauthLink({ name, endpoint: tokenEndpoint(host, tenant), clientId, prove, hide });
}

type OAuthLink = {
  readonly name: string;
  readonly endpoint: string;
  readonly clientId: string;
  readonly prove: () => Promise<Readonly<Record<string, string>>>;
  readonly hide: ((secret: string) => void) | undefined;
};

function oauthLink({ name, endpoint, clientId, prove, hide }: OAuthLink): Link {
  return {
    name,
    mayBeAbsent: false,
    ask(scope, signal) {
      const ask = clientCredentials({ endpoint, clientId, scopes: [scope], prove, hide });
      return ask(AbortSignal.any([signal, AbortSignal.timeout(requestTimeout)]));
    },
  };
}

function managedLink({ settings, driver, hide }: LinkOptions): Link {
  const { azureClientId: clientId } = settings;
  return libraryLink("managed identity", hide, () => {
    const { ManagedIdentityCredential } = driver(entraDriver) as Library;
    return new ManagedIdentityCredential({
      ...(clientId ? { clientId } : {}),
      // Elsewhere than at Azure nothing answers there, and nobody says so.
      sendProbeRequest: true,
      retryOptions: { maxRetries: 0 },
    });
  });
}

function cliLink({ driver, hide }: LinkOptions): Link {
  return libraryLink("Azure CLI", hide, () => {
    const { AzureCliCredential } = driver(entraDriver) as Library;
    return new AzureCliCredential({ processTimeoutInMs: cliTimeout });
  });
}

/** What is used of `@azure/identity`. */
type Library = {
  readonly ManagedIdentityCredential: new (options: object) => Credential;
  readonly AzureCliCredential: new (options: object) => Credential;
};

type Credential = {
  getToken(scope: string, options: object): Promise<{ token: string; expiresOnTimestamp: number }>;
};

function libraryLink(
  name: string,
  hide: ((secret: string) => void) | undefined,
  make: () => Credential,
): Link {
  return {
    name,
    mayBeAbsent: true,
    async ask(scope, abortSignal) {
      // Made anew for each token, since it keeps tokens of its own otherwise.
      const { token, expiresOnTimestamp } = await make().getToken(scope, { abortSignal });
      hide?.(token);
      const receivedAt = Date.now();
      return { token, receivedAt, lifetime: Math.max(0, expiresOnTimestamp - receivedAt) };
    },
  };
}

function absent(name: string, missing: string): Link {
  const ask = () => Promise.reject(new Error(missing));
  return { name, missing, mayBeAbsent: true, ask };
}

function unset(values: Readonly<Record<string, string | undefined>>): string {
  const names = Object.keys(values).filter((name) => !values[name]);
  return `${names.join(", ")} ${names.length === 1 ? "is" : "are"} not set`;
}
