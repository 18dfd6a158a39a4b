import { BindingError } from "../../errors.ts";
import { readAssertionKey, signAssertion } from "../../oauth/client-assertion.ts";
import type { AssertionKey } from "../../oauth/client-assertion.ts";
import { clientCredentials } from "../../oauth/client-credentials.ts";
import type { TokenSource } from "../../oauth/token.ts";
import type { RedisMetadata } from "./fields.ts";

/**
 * Prepares to ask the OAuth server for tokens with a signed assertion. Throws where a field is missing or no key; the
 * returned function asks once. `hide` is told what must not be shown.
 */
export function tokenSource(metadata: RedisMetadata, hide?: (secret: string) => void): TokenSource {
  if (metadata.redisPassword) {
    throw new BindingError(
      "invalid_argument",
      "redisPassword and useOIDC exclude each other; keep one",
    );
  }
  const endpoint = demand(metadata, "oidcTokenEndpoint");
  const clientId = demand(metadata, "oidcClientID");
  const signer = readKey(
    demand(metadata, "oidcClientAssertionKey"),
    demand(metadata, "oidcClientAssertionCert"),
  );
  const { oidcScopes: scopes, oidcResource: resource, oidcKid: keyId } = metadata;
  const audience = metadata.oidcAudience || endpoint;
  return clientCredentials({
    ...{ endpoint, clientId, scopes, hide },
    prove: () => signAssertion({ clientId, audience, signer, keyId }),
    ...(resource ? { fields: { resource } } : {}),
    authorities: metadata.oidcCACert,
  });
}

function readKey(pem: string, certificate: string): AssertionKey {
  try {
    return readAssertionKey(pem, certificate);
  } catch {
    throw new BindingError(
      "invalid_argument",
      "oidcClientAssertionKey or oidcClientAssertionCert is no PEM text",
    );
  }
}

function demand(
  metadata: RedisMetadata,
  field:
    | "oidcTokenEndpoint"
    | "oidcClientID"
    | "oidcClientAssertionCert"
    | "oidcClientAssertionKey",
): string {
  const value = metadata[field];
  if (!value) throw new BindingError("invalid_argument", `useOIDC needs ${field}`);
  return value;
}
