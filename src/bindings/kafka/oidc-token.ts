import { createHash, createPrivateKey, randomUUID, X509Certificate } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { boundedText, largestTokenAnswer } from "../../memory/bounded-text.ts";
import { BindingError, messageOf } from "../../errors.ts";
import type { KafkaMetadata } from "./fields.ts";

/** Gives a token for each new connection; asks for a new one only when the last is about to end. */
export function oidcToken(
  type: "oidc" | "oidc_private_key_jwt",
  metadata: KafkaMetadata,
): () => Promise<string> {
  const { oidcTokenEndpoint: endpoint, oidcClientID: clientId } = metadata;
  if (!endpoint) throw missing("oidcTokenEndpoint", type);
  if (!clientId) throw missing("oidcClientID", type);
  const client = type === "oidc" ? bySecret(metadata) : byAssertion(clientId, endpoint, metadata);
  let kept: { token: string; until: number } | undefined;
  return async () => {
    if (kept !== undefined && Date.now() < kept.until) return kept.token;
    const form = new URLSearchParams({
      grant_type: "client_credentials",
      client_id: clientId,
      scope: metadata.oidcScopes.join(" "),
      ...(await client()),
    });
    kept = await ask(endpoint, form);
    return kept.token;
  };
}

function bySecret({ oidcClientSecret: secret }: KafkaMetadata): () => Record<string, string> {
  if (!secret) throw missing("oidcClientSecret", "oidc");
  return () => ({ client_secret: secret });
}

function byAssertion(
  clientId: string,
  endpoint: string,
  metadata: KafkaMetadata,
): () => Promise<Record<string, string>> {
  const { oidcClientAssertionCert: certificate, oidcClientAssertionKey: pem } = metadata;
  if (!pem) throw missing("oidcClientAssertionKey", "oidc_private_key_jwt");
  let key: KeyObject;
  let thumbprint: string | undefined;
  try {
    key = createPrivateKey(pem);
    if (certificate)
      thumbprint = createHash("sha1")
        .update(new X509Certificate(certificate).raw)
        .digest("base64url");
  } catch {
    throw new BindingError(
      "failed_precondition",
      "kafka error: oidcClientAssertionKey or oidcClientAssertionCert is no PEM text",
      { effect: "unsent" },
    );
  }
  return async () => {
    const { SignJWT } = await import("jose");
    const assertion = await new SignJWT({ jti: randomUUID() })
      .setProtectedHeader({
        alg: key.asymmetricKeyType === "ec" ? "ES256" : "RS256",
        typ: "JWT",
        ...(metadata.oidcKid ? { kid: metadata.oidcKid } : {}),
        ...(thumbprint === undefined ? {} : { x5t: thumbprint }),
      })
      .setIssuer(clientId)
      .setSubject(clientId)
      .setAudience(metadata.oidcAudience || endpoint)
      .setIssuedAt()
      .setNotBefore("0s")
      .setExpirationTime("5m")
      .sign(key);
    return {
      client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
      client_assertion: assertion,
      ...(metadata.oidcResource ? { resource: metadata.oidcResource } : {}),
    };
  };
}

async function ask(
  endpoint: string,
  form: URLSearchParams,
): Promise<{ token: string; until: number }> {
  let response: Response;
  let answer: unknown;
  try {
    response = await fetch(endpoint, {
      method: "POST",
      body: form,
      signal: AbortSignal.timeout(10_000),
    });
    answer = JSON.parse(await boundedText(response.body, largestTokenAnswer));
  } catch (error) {
    throw refused(
      endpoint,
      error instanceof Error && error.cause !== undefined
        ? messageOf(error.cause)
        : messageOf(error),
    );
  }
  const fields = typeof answer === "object" && answer !== null ? answer : {};
  if (!response.ok || !("access_token" in fields) || typeof fields.access_token !== "string") {
    const said = "error" in fields ? `: ${String(fields.error)}` : "";
    throw refused(endpoint, `HTTP ${response.status}${said}`);
  }
  const lifetime = "expires_in" in fields ? Number(fields.expires_in) : 0;
  // A token that ends while it travels is refused: a tenth of its life, a minute at most, is kept back.
  const usable = Number.isFinite(lifetime) ? lifetime * 1000 - Math.min(60_000, lifetime * 100) : 0;
  return { token: fields.access_token, until: Date.now() + usable };
}

function refused(endpoint: string, reason: string): BindingError {
  return new BindingError(
    "unauthenticated",
    `kafka error: no token from ${new URL(endpoint).host}: ${reason}`,
    {
      effect: "unsent",
    },
  );
}

function missing(field: string, type: string): BindingError {
  return new BindingError("failed_precondition", `kafka error: authType ${type} needs ${field}`, {
    effect: "unsent",
  });
}
