/** A token as its server gave it. */
export type Token = {
  readonly token: string;
  /** Milliseconds since 1970. */
  readonly receivedAt: number;
  /** Milliseconds for which it is good; `undefined`: the server does not say. */
  readonly lifetime: number | undefined;
};

/** Asks for a token once. */
export type TokenSource = (signal: AbortSignal) => Promise<Token>;

/** How long before its end a token is replaced, at most. Milliseconds. */
const longestReserve = 60_000;
const requestTimeout = 10_000;

/**
 * When a token is to be replaced, in milliseconds since 1970. One that ends while it travels is refused: a tenth of
 * its life, a minute at most, is kept back. `assumed`: the life of one that does not say when it ends.
 */
export function renewalOf({ receivedAt, lifetime }: Token, assumed: number): number {
  const life = lifetime ?? assumed;
  return receivedAt + life - Math.min(longestReserve, life / 10);
}

/** Gives the token; `refused`: one that a service does not take is given to nobody any more. */
export type KeptToken = (() => Promise<string>) & { refused(token: string): void };

/**
 * Gives a token to each who asks, and asks for a new one only when the last is to be replaced; those who ask meanwhile
 * get the same. One that does not say when it ends is used once.
 */
export function keptToken(source: TokenSource): KeptToken {
  let kept: { readonly token: string; readonly until: number } | undefined;
  let asking: Promise<Token> | undefined;
  const give = async (): Promise<string> => {
    if (kept !== undefined && Date.now() < kept.until) return kept.token;
    asking ??= source(AbortSignal.timeout(requestTimeout)).finally(() => (asking = undefined));
    const token = await asking;
    kept = { token: token.token, until: renewalOf(token, 0) };
    return token.token;
  };
  return Object.assign(give, {
    refused(token: string): void {
      if (kept?.token === token) kept = undefined;
    },
  });
}
