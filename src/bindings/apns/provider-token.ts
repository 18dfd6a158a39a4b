import { createHash, createPrivateKey } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { BindingError } from "../../errors.ts";
import type { ApnsMetadata } from "./fields.ts";

/** The key that signs tokens, and whose it is. */
export type Signer = { readonly keyId: string; readonly teamId: string; readonly key: KeyObject };

/** Milliseconds after which a token is made anew: Apple takes none that is older than an hour. */
const renewAfter = 50 * 60_000;
/** Milliseconds within which Apple takes no other token of the same key. */
const leastAge = 20 * 60_000;

type Kept = { readonly token: Promise<string>; readonly issuedAt: number };

/** By the key and its owner: components of one key share a token, also those that replace one another. */
const kept = new Map<string, Kept>();

/** Reads the key of the metadata. Throws a `BindingError` that quotes nothing of it. */
export function signerOf(metadata: ApnsMetadata): Signer {
  const { "key-id": keyId, "team-id": teamId, "private-key": pem } = metadata;
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch {
    throw refused("unable to read the private key");
  }
  if (key.asymmetricKeyDetails?.namedCurve === "prime256v1") return { keyId, teamId, key };
  throw refused("the private key is none for ES256: Apple's are of the curve P-256");
}

/** The tokens of one key, which prove who sends. */
export class ProviderToken {
  readonly #signer: Signer;
  readonly #name: string;

  constructor(signer: Signer) {
    this.#signer = signer;
    const { keyId, teamId, key } = signer;
    const bytes = key.export({ format: "der", type: "pkcs8" });
    const digest = createHash("sha256").update(bytes).digest("base64");
    this.#name = JSON.stringify([keyId, teamId, digest]);
  }

  /** The one that is good now. */
  get(): Promise<string> {
    const now = Date.now();
    // Where the clock was set back, the time of a token lies ahead, and Apple takes it no more.
    for (const [name, { issuedAt }] of kept)
      if (now - issuedAt >= renewAfter || now < issuedAt) kept.delete(name);
    let one = kept.get(this.#name);
    if (one === undefined) kept.set(this.#name, (one = { token: this.#sign(now), issuedAt: now }));
    return one.token;
  }

  /**
   * Apple took one for expired. Whether the next is another: not before the first is twenty minutes old, since Apple
   * would not take that either.
   */
  expired(): boolean {
    const one = kept.get(this.#name);
    if (one !== undefined && Date.now() - one.issuedAt < leastAge) return false;
    kept.delete(this.#name);
    return true;
  }

  async #sign(now: number): Promise<string> {
    const { SignJWT } = await import("jose");
    const { keyId, teamId, key } = this.#signer;
    return new SignJWT({ iss: teamId, iat: Math.floor(now / 1000) })
      .setProtectedHeader({ alg: "ES256", kid: keyId })
      .sign(key);
  }
}

function refused(why: string): BindingError {
  return new BindingError("invalid_argument", why);
}
