import { abortable } from "../../abortable.ts";
import type { Token, TokenSource } from "../../oauth/token.ts";

/** So long before its end a token is replaced, at most. Milliseconds. */
const longestReserve = 300_000;
/** A token that ends sooner is given to nobody. */
const leastLeft = 10_000;
/** After a failure the next attempt is so far away, while the old token still serves. */
const pauseAfterFailure = 10_000;
const requestTimeout = 15_000;
/** The life of a token that does not say when it ends. */
const assumedLife = 300_000;

type Kept = { readonly token: string; readonly renewFrom: number; readonly end: number };

/**
 * Gives a token to each who asks. It is replaced before its end, behind the back of those who ask while the old one is
 * still good; a server of tokens that is away meanwhile disturbs nobody.
 */
export class KeptToken {
  readonly #source: TokenSource;
  #kept: Kept | undefined;
  #asking: Promise<string> | undefined;
  #notBefore = 0;

  constructor(source: TokenSource) {
    this.#source = source;
  }

  async get(signal: AbortSignal): Promise<string> {
    const now = Date.now();
    const kept = this.#kept;
    if (kept !== undefined && now < kept.end) {
      if (now >= kept.renewFrom && now >= this.#notBefore) this.#ask().catch(() => {});
      return kept.token;
    }
    return abortable(this.#ask(), signal);
  }

  /** The server did not take it. */
  drop(token: string): void {
    if (this.#kept?.token === token) this.#kept = undefined;
  }

  #ask(): Promise<string> {
    this.#asking ??= this.#source(AbortSignal.timeout(requestTimeout))
      .then((token) => this.#keep(token))
      .catch((error: unknown) => {
        this.#notBefore = Date.now() + pauseAfterFailure;
        throw error;
      })
      .finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  #keep({ token, receivedAt, lifetime = assumedLife }: Token): string {
    const renewFrom = receivedAt + lifetime - Math.min(longestReserve, lifetime / 10);
    const end = receivedAt + lifetime - Math.min(leastLeft, lifetime / 20);
    this.#kept = { token, renewFrom, end };
    return token;
  }
}
