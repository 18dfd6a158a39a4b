import { createHash, createPrivateKey, randomUUID, X509Certificate } from "node:crypto";
import type { KeyObject } from "node:crypto";

/** The key that signs who a client is, and the thumbprint of its certificate. */
export type AssertionKey = { readonly key: KeyObject; readonly thumbprint: string | undefined };

/** Reads both from PEM. Throws what node says of texts that are none, which quotes nothing of them. */
export function readAssertionKey(pem: string, certificate: string | undefined): AssertionKey {
  return {
    key: createPrivateKey(pem),
    thumbprint: certificate
      ? createHash("sha1").update(new X509Certificate(certificate).raw).digest("base64url")
      : undefined,
  };
}

export type Assertion = {
  readonly clientId: string;
  readonly audience: string;
  readonly signer: AssertionKey;
  /** The key's id, where the server wants one. */
  readonly keyId: string | undefined;
};

/** The fields of a token request that prove who the client is by a signed JWT (RFC 7523), good for five minutes. */
export async function signAssertion({ clientId, audience, signer, keyId }: Assertion) {
  const { SignJWT } = await import("jose");
  const { key, thumbprint } = signer;
  const assertion = await new SignJWT({ jti: randomUUID() })
    .setProtectedHeader({
      alg: key.asymmetricKeyType === "ec" ? "ES256" : "RS256",
      typ: "JWT",
      ...(thumbprint === undefined ? {} : { x5t: thumbprint }),
      ...(keyId ? { kid: keyId } : {}),
    })
    .setIssuer(clientId)
    .setSubject(clientId)
    .setAudience(audience)
    .setIssuedAt()
    .setNotBefore("0s")
    .setExpirationTime("5m")
    .sign(key);
  return {
    client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    client_assertion: assertion,
  };
}
