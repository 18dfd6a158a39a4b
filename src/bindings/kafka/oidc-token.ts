import { BindingError } from "../../errors.ts";
import { readAssertionKey, signAssertion } from "../../oauth/client-assertion.ts";
import type { AssertionKey } from "../../oauth/client-assertion.ts";
import { clientCredentials, type OAuthClient } from "../../oauth/client-credentials.ts";
import { keptToken } from "../../oauth/token.ts";
import type { KafkaMetadata } from "./fields.ts";

/**
 * Gives a token for each new connection; asks for a new one only when the last is about to end. `hide` is told what
 * must not be shown.
 */
export function oidcToken(
  type: "oidc" | "oidc_private_key_jwt",
  metadata: KafkaMetadata,
  hide?: (secret: string) => void,
): () => Promise<string> {
  const { oidcTokenEndpoint: endpoint, oidcClientID: clientId, oidcScopes: scopes } = metadata;
  if (!endpoint) throw missing("oidcTokenEndpoint", type);
  if (!clientId) throw missing("oidcClientID", type);
  const proof = type === "oidc" ? bySecret(metadata) : byAssertion(clientId, endpoint, metadata);
  const client = { endpoint, clientId, scopes, prefix: "kafka error: ", hide, ...proof };
  return keptToken(clientCredentials(client));
}

type Proof = Pick<OAuthClient, "prove" | "fields">;

function bySecret({ oidcClientSecret: secret }: KafkaMetadata): Proof {
  if (!secret) throw missing("oidcClientSecret", "oidc");
  return { prove: async () => ({ client_secret: secret }) };
}

function byAssertion(clientId: string, endpoint: string, metadata: KafkaMetadata): Proof {
  const { oidcClientAssertionCert: certificate, oidcClientAssertionKey: pem } = metadata;
  if (!pem) throw missing("oidcClientAssertionKey", "oidc_private_key_jwt");
  const signer = readKey(pem, certificate);
  const { oidcResource: resource, oidcKid: keyId } = metadata;
  const audience = metadata.oidcAudience || endpoint;
  return {
    prove: () => signAssertion({ clientId, audience, signer, keyId }),
    ...(resource ? { fields: { resource } } : {}),
  };
}

function readKey(pem: string, certificate: string | undefined): AssertionKey {
  try {
    return readAssertionKey(pem, certificate);
  } catch {
    throw new BindingError(
      "invalid_argument",
      "kafka error: oidcClientAssertionKey or oidcClientAssertionCert is no PEM text",
      { effect: "unsent" },
    );
  }
}

function missing(field: string, type: string): BindingError {
  return new BindingError("invalid_argument", `kafka error: authType ${type} needs ${field}`, {
    effect: "unsent",
  });
}
