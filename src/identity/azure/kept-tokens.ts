import type { Token } from "../../oauth/token.ts";

type Source = (scope: string, signal: AbortSignal) => Promise<Token>;

type Kept = {
  token?: string;
  /** Milliseconds since 1970: from then on it is renewed, and not used. */
  renewAt: number;
  until: number;
  /** From then on less than half of its life is left. */
  halfAt: number;
  asking?: Promise<string> | undefined;
};

/** How long before its end a token is renewed, and not used any more, at most. Milliseconds. */
const longestRenewal = 5 * 60_000;
const longestReserve = 60_000;
/** Between two attempts to renew one that is still good. */
const pause = 30_000;
/** The whole chain: a probe, requests and the Azure CLI. */
const timeout = 60_000;

/** A token for each scope, renewed while the last is still good, so that no call waits for it. */
export class KeptTokens {
  readonly #source: Source;
  readonly #kept = new Map<string, Kept>();

  constructor(source: Source) {
    this.#source = source;
  }

  /**
   * At once where there is a good one. Those who ask while it is asked for get the same. `lasts`: one with half of its life
   * left, where it can be had.
   */
  get(scope: string, lasts = false): string | Promise<string> {
    const now = Date.now();
    let kept = this.#kept.get(scope);
    if (kept === undefined) {
      kept = { renewAt: 0, until: 0, halfAt: 0 };
      this.#kept.set(scope, kept);
    }
    const { token, until, renewAt, halfAt } = kept;
    if (token === undefined || now >= until) return this.#ask(scope, kept);
    if (lasts && now >= halfAt) return this.#ask(scope, kept).catch(() => token);
    if (now >= renewAt && kept.asking === undefined) {
      kept.renewAt = now + pause;
      // Until it ends the old one is good, and then it is asked for again.
      this.#ask(scope, kept).catch(() => undefined);
    }
    return token;
  }

  /** It is not given any more. */
  drop(token: string): void {
    for (const kept of this.#kept.values()) if (kept.token === token) kept.until = 0;
  }

  #ask(scope: string, kept: Kept): Promise<string> {
    kept.asking ??= this.#source(scope, AbortSignal.timeout(timeout))
      .then(({ token, receivedAt, lifetime = 0 }) => {
        kept.token = token;
        kept.halfAt = receivedAt + lifetime / 2;
        kept.until = receivedAt + lifetime - Math.min(longestReserve, lifetime / 10);
        kept.renewAt = receivedAt + lifetime - Math.min(longestRenewal, lifetime / 4);
        return token;
      })
      .finally(() => (kept.asking = undefined));
    return kept.asking;
  }
}
