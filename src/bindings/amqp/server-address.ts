import { BindingError } from "../../errors.ts";
import type { Sasl, ServerAddress } from "../../amqp-client/server-address.ts";
import { pemOrFile, tlsMaterial } from "../../tls/pem.ts";
import type { AmqpMetadata } from "./fields.ts";

/** Reads the metadata. The URL may hold a password and is never quoted. */
export async function serverAddress(metadata: AmqpMetadata): Promise<ServerAddress> {
  const url = URL.canParse(metadata.url) ? new URL(metadata.url) : undefined;
  if (url === undefined || !["amqp:", "amqps:"].includes(url.protocol) || url.hostname === "") {
    throw new BindingError(
      "invalid_argument",
      "the metadata url is not an AMQP server's, such as amqp://user:password@artemis:5672",
    );
  }
  const secure = url.protocol === "amqps:";
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return {
    host,
    port: url.port === "" ? (secure ? 5671 : 5672) : Number(url.port),
    tls: secure ? tlsMaterial(await pems(metadata)) : undefined,
    hostname: metadata.vhost || host,
    sasl: saslOf(metadata, url, secure),
  };
}

async function pems(metadata: AmqpMetadata): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of ["caCert", "clientCert", "clientKey"] as const) {
    const value = metadata[name];
    if (value) found[name] = await pemOrFile(name, value);
  }
  return found;
}

function saslOf(metadata: AmqpMetadata, url: URL, secure: boolean): Sasl {
  const user = metadata.username || decoded(url.username);
  const password = metadata.password || decoded(url.password);
  const mechanism =
    metadata.saslMechanism ?? (user ? "plain" : metadata.clientCert ? "external" : "anonymous");
  if (mechanism === "plain") {
    if (!user) throw missing("plain", "username and password");
    if (/\0/.test(user + password)) {
      throw new BindingError("invalid_argument", "username and password cannot contain NUL");
    }
    return { mechanism: "PLAIN", response: Buffer.from(`\0${user}\0${password}`) };
  }
  if (mechanism === "anonymous") {
    return { mechanism: "ANONYMOUS", response: Buffer.from("cufflink") };
  }
  if (!secure || !metadata.clientCert) throw missing("external", "an amqps url and clientCert");
  return { mechanism: "EXTERNAL", response: Buffer.alloc(0) };
}

function missing(mechanism: string, what: string): BindingError {
  return new BindingError(
    "invalid_argument",
    `saslMechanism ${mechanism} needs ${what} in the metadata`,
  );
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new BindingError(
      "invalid_argument",
      "user or password in the metadata url is not percent-encoded; write % as %25, or use username and password",
    );
  }
}
