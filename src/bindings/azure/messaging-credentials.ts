import { createHmac } from "node:crypto";
import { BindingError } from "../../errors.ts";
import type { Entra } from "../../identity/azure/entra.ts";
import type { ConnectionString } from "./messaging-connection-string.ts";

/** A token for Azure's claims-based security, and for its HTTP API. */
export type Claim = {
  readonly type: "servicebus.windows.net:sastoken" | "jwt";
  readonly token: string;
  /** When it ends, in milliseconds since 1970. */
  readonly until: number;
};

export type Credentials = {
  /** A token for an audience such as `sb://shop.servicebus.windows.net/orders`. */
  claim(audience: string, signal: AbortSignal): Promise<Claim>;
  /** The service has refused it. */
  refused(claim: Claim): void;
};

const lifetime = 60 * 60_000;
/** How long a token counts that does not say when it ends. */
const unknownLifetime = 5 * 60_000;

/** Shared access signatures, made by the key of a connection string, or the one that it has. */
export function sharedAccess(
  { key, signature }: Pick<ConnectionString, "key" | "signature">,
  hide: ((secret: string) => void) | undefined,
): Credentials {
  return {
    async claim(audience) {
      const until = Date.now() + lifetime;
      if (signature !== undefined) return sas(signature, endOf(signature));
      if (key === undefined) throw new BindingError("invalid_argument", "there is no key");
      return sas(signatureOf(audience, key, Math.floor(until / 1000), hide), until);
    },
    refused() {},
  };
}

/** The signature of an audience, good until that second since 1970. */
export function signatureOf(
  audience: string,
  { name, value }: { readonly name: string; readonly value: string },
  until: number,
  hide?: (secret: string) => void,
): string {
  const resource = encodeURIComponent(audience);
  const signed = createHmac("sha256", value).update(`${resource}\n${until}`).digest("base64");
  hide?.(signed);
  const [sig, skn] = [signed, name].map(encodeURIComponent);
  return `SharedAccessSignature sr=${resource}&sig=${sig}&se=${until}&skn=${skn}`;
}

function sas(token: string, until: number): Claim {
  return { type: "servicebus.windows.net:sastoken", token, until };
}

function endOf(signature: string): number {
  const seconds = Number(/(?:^|[ &])se=(\d+)/.exec(signature)?.[1] ?? Number.NaN);
  return Number.isNaN(seconds) ? Date.now() + lifetime : seconds * 1000;
}

/** Tokens of Entra ID, whose audience is the whole service. */
export function entraAccess(entra: Entra, scope: string): Credentials {
  return {
    async claim(_, signal) {
      const token = await entra.token(scope, signal);
      return { type: "jwt", token, until: endOfJwt(token) };
    },
    refused: ({ token }) => entra.refused(token),
  };
}

function endOfJwt(token: string): number {
  try {
    const [, payload = ""] = token.split(".");
    const read: unknown = JSON.parse(Buffer.from(payload, "base64url").toString());
    const { exp } = read as { exp?: unknown };
    if (typeof exp === "number") return exp * 1000;
  } catch {
    // A token need not be one that can be read.
  }
  return Date.now() + unknownLifetime;
}
