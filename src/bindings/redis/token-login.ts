import { BindingError } from "../../errors.ts";
import { entraDrivers, needsEntraDriver, openEntra } from "../../identity/azure/entra.ts";
import { renewalOf } from "../../oauth/token.ts";
import type { RedisMetadata } from "./fields.ts";
import { tokenSource } from "./oidc-token.ts";

/** A token, and whose it is. */
export type UserToken = {
  /** Absent: the server's default user. */
  readonly username: string | undefined;
  readonly token: string;
  /** Milliseconds since 1970. */
  readonly renewAt: number;
  readonly endsAt: number;
};

/** Asks for a token once. */
export type TokenLogin = (signal: AbortSignal) => Promise<UserToken>;

type Access = {
  readonly hide: ((secret: string) => void) | undefined;
  readonly driver: (name: string) => unknown;
};

export { entraDrivers as redisDrivers } from "../../identity/azure/entra.ts";

/** As a binding's `needsDriver`. */
export function needsRedisDriver(name: string, metadata: RedisMetadata): boolean {
  return !(name in entraDrivers) || (metadata.useEntraID && needsEntraDriver(metadata));
}

/** The scope of Azure's Redis services, in each of its clouds. */
const entraScope = "https://redis.azure.com/.default";
/** The life of a token that does not say when it ends, in milliseconds. */
const assumedLifetime = 300_000;
/** How long before its end a token of Entra ID is renewed, at most, as Dapr does. Milliseconds. */
const entraReserve = 300_000;

/** How to log in by a token; `undefined`: by none. Throws a `BindingError` for fields that do not fit. */
export function tokenLogin(metadata: RedisMetadata, access: Access): TokenLogin | undefined {
  if (metadata.useEntraID) return entraLogin(metadata, access);
  if (!metadata.useOIDC) return undefined;
  const source = tokenSource(metadata, access.hide);
  const { redisUsername: username } = metadata;
  return async (signal) => {
    const given = await source(signal);
    const endsAt = given.receivedAt + (given.lifetime ?? assumedLifetime);
    return { username, token: given.token, renewAt: renewalOf(given, assumedLifetime), endsAt };
  };
}

function entraLogin(metadata: RedisMetadata, { hide, driver }: Access): TokenLogin {
  if (metadata.useOIDC) throw wrong("useEntraID and useOIDC exclude each other; keep one");
  if (metadata.redisUsername || metadata.redisPassword)
    throw wrong("username or password must not be specified when using Entra ID authentication");
  const entra = openEntra({ settings: metadata, driver, hide });
  return async (signal) => {
    const { token, receivedAt, lifetime = assumedLifetime } = await entra.fresh(entraScope, signal);
    const endsAt = receivedAt + lifetime;
    const renewAt = endsAt - Math.min(entraReserve, lifetime / 4);
    return { username: objectIdOf(token), token, renewAt, endsAt };
  };
}

/** The claim `oid`: who logs in, by the name that Azure's Redis services know. The token comes from Entra ID itself, and is not verified. */
function objectIdOf(token: string): string {
  let claims: unknown;
  try {
    claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString("utf8"));
  } catch {
    claims = undefined;
  }
  if (typeof claims === "object" && claims !== null && "oid" in claims) {
    const { oid } = claims;
    if (typeof oid === "string" && oid !== "") return oid;
  }
  throw new BindingError(
    "unauthenticated",
    "redis client configuration error: could not parse object ID from Auth token",
    { effect: "unsent" },
  );
}

function wrong(text: string): BindingError {
  return new BindingError("invalid_argument", `redis client configuration error: ${text}`, {
    effect: "unsent",
  });
}
