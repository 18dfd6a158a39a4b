import { createPrivateKey, sign as signBytes, type KeyObject } from "node:crypto";
import { BindingError, messageOf } from "../../errors.ts";
import type { Token } from "../../oauth/token.ts";
import { tokenOf, type Exchange } from "./exchange.ts";
import type { CredentialSource } from "./source.ts";

/** A service account's key. */
export type ServiceAccountKey = {
  readonly email: string;
  readonly privateKey: string;
  readonly keyId: string | undefined;
  readonly tokenUri: string | undefined;
  readonly quotaProject?: string | undefined;
};

export type Uses = {
  readonly scopes: readonly string[];
  readonly exchange: Exchange;
  /** Told what must not be shown. */
  readonly hide: (secret: string) => void;
};

/** Seconds; the most that Google takes. */
const life = 3600;
/** Seconds by which this machine's clock may be ahead. */
const skew = 10;
/** Google's own token servers: its APIs take what is signed here as well. */
const googlesOwn =
  /^https:\/\/(oauth2\.googleapis\.com\/token|accounts\.google\.com\/o\/oauth2\/token|www\.googleapis\.com\/oauth2\/v4\/token)$/;
const jwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/** Throws a `BindingError` where the key is none. `described`: where it is from. */
export function serviceAccount(
  account: ServiceAccountKey,
  described: string,
  uses: Uses,
): CredentialSource {
  const key = readKey(account.privateKey, described);
  const { email, tokenUri, quotaProject } = account;
  const token =
    tokenUri === undefined || googlesOwn.test(tokenUri)
      ? () => signedToken(account, key, uses)
      : (signal: AbortSignal) => exchangedToken(account, tokenUri, key, uses, signal);
  return {
    ...{ described, token, quotaProject },
    email: async () => email,
    sign: async (text) => signBytes("sha256", Buffer.from(text), key),
  };
}

/** A JWT that names the scopes: Google's APIs take it in place of a token. */
async function signedToken(
  { email, keyId }: ServiceAccountKey,
  key: KeyObject,
  { scopes, hide }: Uses,
): Promise<Token> {
  const token = await jwt({ iss: email, sub: email, scope: scopes.join(" ") }, key, keyId);
  hide(token);
  return { token, receivedAt: Date.now(), lifetime: (life - skew) * 1000 };
}

async function exchangedToken(
  { email, keyId }: ServiceAccountKey,
  url: string,
  key: KeyObject,
  { scopes, exchange, hide }: Uses,
  signal: AbortSignal,
): Promise<Token> {
  const claims = { iss: email, scope: scopes.join(" "), aud: url };
  const assertion = await jwt(claims, key, keyId);
  hide(assertion);
  const body = new URLSearchParams({ grant_type: jwtBearer, assertion }).toString();
  const contentType = "application/x-www-form-urlencoded";
  const token = tokenOf(await exchange.post({ url, contentType, body }, signal), url);
  hide(token.token);
  return token;
}

async function jwt(
  claims: Readonly<Record<string, string>>,
  key: KeyObject,
  keyId: string | undefined,
): Promise<string> {
  const { SignJWT } = await import("jose");
  const now = Math.floor(Date.now() / 1000) - skew;
  return new SignJWT(claims)
    .setProtectedHeader({ alg: "RS256", typ: "JWT", ...(keyId ? { kid: keyId } : {}) })
    .setIssuedAt(now)
    .setExpirationTime(now + life)
    .sign(key);
}

/** Line ends may be written as `\n`, as they are in the JSON of a key file. */
function readKey(pem: string, described: string): KeyObject {
  const wrong = (why: string): BindingError =>
    new BindingError("invalid_argument", `the private key of the ${described} ${why}`, {
      effect: "unsent",
    });
  let key: KeyObject;
  try {
    key = createPrivateKey(pem.replaceAll(String.raw`\n`, "\n"));
  } catch (error) {
    throw wrong(`cannot be read: ${messageOf(error)}`);
  }
  if (key.asymmetricKeyType === "rsa") return key;
  throw wrong(`is of type ${key.asymmetricKeyType}; Google's are of type rsa`);
}
