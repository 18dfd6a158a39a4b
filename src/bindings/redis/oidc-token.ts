import { createHash, createPrivateKey, randomUUID, X509Certificate } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { boundedText, largestTokenAnswer } from "../../memory/bounded-text.ts";
import { BindingError, messageOf } from "../../errors.ts";
import type { RedisMetadata } from "./fields.ts";

/** A token, and when it ends in milliseconds since 1970. */
export type Token = { readonly token: string; readonly until: number };

/** What is assumed of a token that does not say when it ends. Milliseconds. */
const defaultLifetime = 300_000;

/**
 * Prepares to ask the OAuth server for tokens with a signed assertion (RFC 7523). Throws where a field
 * is missing or no key; the returned function asks once.
 */
export function tokenSource(metadata: RedisMetadata): (signal: AbortSignal) => Promise<Token> {
  if (metadata.redisPassword) {
    throw new BindingError(
      "invalid_argument",
      "redisPassword and useOIDC exclude each other; keep one",
    );
  }
  const endpoint = demand(metadata, "oidcTokenEndpoint");
  const clientId = demand(metadata, "oidcClientID");
  const { key, thumbprint } = readKey(
    demand(metadata, "oidcClientAssertionKey"),
    demand(metadata, "oidcClientAssertionCert"),
  );
  return async (signal) => {
    const { SignJWT } = await import("jose");
    const assertion = await new SignJWT({ jti: randomUUID() })
      .setProtectedHeader({
        alg: key.asymmetricKeyType === "ec" ? "ES256" : "RS256",
        typ: "JWT",
        x5t: thumbprint,
        ...(metadata.oidcKid ? { kid: metadata.oidcKid } : {}),
      })
      .setIssuer(clientId)
      .setSubject(clientId)
      .setAudience(metadata.oidcAudience || endpoint)
      .setIssuedAt()
      .setNotBefore("0s")
      .setExpirationTime("5m")
      .sign(key);
    const form = new URLSearchParams({
      grant_type: "client_credentials",
      client_id: clientId,
      scope: metadata.oidcScopes.join(" "),
      client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
      client_assertion: assertion,
      ...(metadata.oidcResource ? { resource: metadata.oidcResource } : {}),
    });
    return ask(new URL(endpoint), form.toString(), metadata.oidcCACert, signal);
  };
}

function readKey(pem: string, certificate: string): { key: KeyObject; thumbprint: string } {
  try {
    const { raw } = new X509Certificate(certificate);
    return {
      key: createPrivateKey(pem),
      thumbprint: createHash("sha1").update(raw).digest("base64url"),
    };
  } catch {
    throw new BindingError(
      "invalid_argument",
      "oidcClientAssertionKey or oidcClientAssertionCert is no PEM text",
    );
  }
}

async function ask(
  endpoint: URL,
  form: string,
  authorities: string | undefined,
  signal: AbortSignal,
): Promise<Token> {
  const { status, body } = await post(endpoint, form, authorities, signal).catch(
    (error: unknown) => {
      throw refused(endpoint, messageOf(error));
    },
  );
  let answer: unknown;
  try {
    answer = JSON.parse(body);
  } catch {
    throw refused(endpoint, `HTTP ${status} without JSON`);
  }
  const fields = typeof answer === "object" && answer !== null ? answer : {};
  if (status !== 200 || !("access_token" in fields) || typeof fields.access_token !== "string") {
    throw refused(
      endpoint,
      `HTTP ${status}${"error" in fields ? `: ${String(fields.error)}` : ""}`,
    );
  }
  const life = "expires_in" in fields ? Number(fields.expires_in) * 1000 : Number.NaN;
  return { token: fields.access_token, until: Date.now() + (life > 0 ? life : defaultLifetime) };
}

function post(
  endpoint: URL,
  form: string,
  authorities: string | undefined,
  signal: AbortSignal,
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const options = {
      method: "POST",
      signal,
      headers: {
        "content-type": "application/x-www-form-urlencoded",
        "content-length": Buffer.byteLength(form),
        accept: "application/json",
      },
    };
    const request =
      endpoint.protocol === "https:"
        ? httpsRequest(endpoint, { ...options, ...(authorities ? { ca: authorities } : {}) })
        : httpRequest(endpoint, options);
    request.on("error", reject);
    request.on("response", (response) => {
      boundedText(response, largestTokenAnswer).then(
        (body) => resolve({ status: response.statusCode ?? 0, body }),
        reject,
      );
    });
    request.end(form);
  });
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

function refused(endpoint: URL, reason: string): BindingError {
  return new BindingError("unauthenticated", `no token from ${endpoint.host}: ${reason}`, {
    effect: "unsent",
  });
}
