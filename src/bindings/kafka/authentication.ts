import { createPrivateKey, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import type { ConnectionOptions } from "@platformatic/kafka";
import { BindingError, messageOf } from "../../errors.ts";
import { openEntra } from "../../identity/azure/entra.ts";
import { prefixed } from "../../http-client/prefixed.ts";
import { awsToken } from "./aws-token.ts";
import type { LoginAccess } from "./aws-token.ts";
import type { KafkaMetadata } from "./fields.ts";
import { oidcToken } from "./oidc-token.ts";

type Secured = Pick<ConnectionOptions, "sasl" | "tls" | "tlsServerName">;
type AuthType = NonNullable<KafkaMetadata["authType"]>;

/**
 * How to secure connections and prove who we are. Throws a `BindingError` for settings that do not fit. `access.hide` is told
 * which tokens and signatures must not be shown.
 */
export function securityOf(metadata: KafkaMetadata, access: LoginAccess): Secured {
  const type = authTypeOf(metadata);
  if (type === "mtls" && metadata.disableTls)
    throw invalid("kafka error: authType mtls needs TLS; remove disableTls");
  if (type === "certificate" && !metadata.caCert)
    throw invalid("kafka error: authType certificate needs caCert");
  const secured: Secured = {};
  const sasl = saslOf(type, metadata, access);
  if (sasl !== undefined) secured.sasl = sasl;
  if (metadata.disableTls || type === "none") return secured;
  secured.tls = tlsOf(metadata);
  // Node refuses to send an address as the name of a server.
  if (!metadata.brokers.some((broker) => isIP(broker.replace(/:\d+$/, "")) !== 0))
    secured.tlsServerName = true;
  return secured;
}

function authTypeOf({ authType, authRequired, saslPassword }: KafkaMetadata): AuthType {
  if (authType !== undefined) return authType;
  if (authRequired === undefined)
    throw invalid("kafka error: 'authType' attribute was missing or empty");
  if (!authRequired) return "none";
  return saslPassword ? "password" : "mtls";
}

function saslOf(
  type: AuthType,
  metadata: KafkaMetadata,
  access: LoginAccess,
): ConnectionOptions["sasl"] | undefined {
  if (type === "password") return passwordOf(metadata);
  if (type === "awsiam") return { mechanism: "OAUTHBEARER", token: awsToken(metadata, access) };
  if (type === "entraid") return { mechanism: "OAUTHBEARER", token: entraToken(metadata, access) };
  if (type !== "oidc" && type !== "oidc_private_key_jwt") return undefined;
  const extensions = extensionsOf(metadata.oidcExtensions);
  return {
    mechanism: "OAUTHBEARER",
    token: oidcToken(type, metadata, access.hide),
    ...(extensions === undefined ? {} : { oauthBearerExtensions: extensions }),
  };
}

/** A token for each login, which Event Hubs takes of the identities that have one of its roles. */
function entraToken(metadata: KafkaMetadata, { driver, hide }: LoginAccess): () => Promise<string> {
  const [host] = (metadata.brokers[0] ?? "").split(":");
  const scope = metadata.entraScope || `https://${host}/.default`;
  const entra = openEntra({ settings: metadata, driver, hide });
  return () => prefixed("kafka error: ", entra.lastingToken(scope));
}

function passwordOf({
  saslUsername,
  saslPassword,
  saslMechanism,
}: KafkaMetadata): NonNullable<ConnectionOptions["sasl"]> {
  if (!saslUsername) throw invalid("kafka error: missing SASL Username for authType 'password'");
  if (!saslPassword) throw invalid("kafka error: missing SASL Password for authType 'password'");
  const scram = saslMechanism === "SHA-256" || saslMechanism === "SHA-512";
  return {
    mechanism: scram ? `SCRAM-${saslMechanism}` : "PLAIN",
    username: saslUsername,
    password: saslPassword,
  };
}

function extensionsOf(text: string | undefined): Record<string, string> | undefined {
  if (!text) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(`kafka error: oidcExtensions is no JSON: ${messageOf(error)}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid("kafka error: oidcExtensions must be a JSON object of texts");
  }
  const entries = Object.entries(value);
  const wrong = entries.find(([, one]) => typeof one !== "string");
  if (wrong !== undefined) throw invalid(`kafka error: oidcExtensions.${wrong[0]} must be a text`);
  return Object.fromEntries(entries.map(([name, one]) => [name, String(one)]));
}

function tlsOf({
  caCert,
  clientCert,
  clientKey,
  skipVerify,
}: KafkaMetadata): NonNullable<ConnectionOptions["tls"]> {
  if (caCert) checkPem("caCert", () => new X509Certificate(caCert));
  if ((clientCert ? 1 : 0) !== (clientKey ? 1 : 0)) {
    throw invalid(
      `kafka error: ${clientCert ? "clientKey" : "clientCert"} is missing; give both or neither`,
    );
  }
  if (clientCert) checkPem("clientCert", () => new X509Certificate(clientCert));
  if (clientKey) checkPem("clientKey", () => createPrivateKey(clientKey));
  return {
    rejectUnauthorized: !skipVerify,
    ...(caCert ? { ca: caCert } : {}),
    ...(clientCert && clientKey ? { cert: clientCert, key: clientKey } : {}),
  };
}

function checkPem(field: string, read: () => unknown): void {
  try {
    read();
  } catch {
    throw invalid(
      `kafka error: ${field} is no PEM text; paste it whole, with its BEGIN and END lines`,
    );
  }
}

function invalid(message: string): BindingError {
  return new BindingError("invalid_argument", message, { effect: "unsent" });
}
