import { createLocalJWKSet, decodeJwt, errors, jwtVerify } from "jose";
import type { JWTVerifyGetKey } from "jose";
import { BindingError } from "../../../errors.ts";
import { parseAddress } from "../../../http-client/address.ts";
import { jsonMembers, ServiceClient, serviceFailure } from "../../../http-client/service-client.ts";
import { isSuccess } from "../../../http-client/status.ts";
import type { MemoryShare } from "../../../memory/budget.ts";

export type TokenOptions = {
  /** Where Entra ID's keys are. */
  readonly keysUrl: string;
  /** The audiences that a token of each issuer may have. */
  readonly audiences: ReadonlyMap<string, readonly string[]>;
  readonly memory: MemoryShare;
  /** The authorities to trust in place of the system's: PEM, or a file of it. */
  readonly caCert?: string | undefined;
};

/** Signatures by a key that Entra ID publishes; none by a secret, and not none. */
const algorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384"];
/** Seconds that clocks may differ, as in Dapr. */
const tolerance = 5 * 60;
/** Keys are asked for again after so long. Milliseconds. */
const longestKept = 60 * 60 * 1000;
/** Keys are asked for no more often than that, however many unknown ones come. Milliseconds. */
const againAfter = 30_000;
/** As long as there are none. Milliseconds. */
const soonAgain = 1_000;
const requestLimit = 10_000;

/** Checks the tokens of requests by the keys that Entra ID publishes, which change. */
export class Tokens implements AsyncDisposable {
  readonly #options: TokenOptions;
  readonly #client: ServiceClient;
  #keys: JWTVerifyGetKey | undefined;
  #askedAt = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | undefined;

  private constructor(options: TokenOptions, client: ServiceClient) {
    this.#options = options;
    this.#client = client;
  }

  static async open(options: TokenOptions): Promise<Tokens> {
    const { keysUrl: url, memory, caCert } = options;
    const client = await ServiceClient.open({ url, memory, caCert, hide: undefined });
    return new Tokens(options, client);
  }

  /**
   * Resolves to why the header `Authorization` proves nothing; it quotes nothing of it. Rejects with a `BindingError`
   * if the keys cannot be had, so that nobody knows.
   */
  async problemOf(authorization: string | undefined): Promise<string | undefined> {
    if (!authorization) return "it has no header authorization";
    const token = /^(?:Bearer )?((?:[\w-]+\.){2}[\w-]+)$/i.exec(authorization)?.[1];
    if (token === undefined) return "its header authorization has no bearer token";
    let audience: readonly string[] | undefined;
    try {
      audience = this.#options.audiences.get(decodeJwt(token).iss ?? "");
    } catch {
      return "its token is no JWT";
    }
    if (audience === undefined) return "its token is of another issuer";
    if (this.#keys === undefined || performance.now() - this.#askedAt > longestKept)
      await this.#renew();
    try {
      await this.#verify(token, [...audience]);
      return undefined;
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) return problemOf(error);
      // Keys change; a stranger's does not make for more requests.
      if (performance.now() - this.#askedAt < againAfter) return problemOf(error);
      await this.#renew();
      return this.#verify(token, [...audience]).then(() => undefined, problemOf);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]();
  }

  async #verify(token: string, audience: string[]): Promise<void> {
    if (this.#keys === undefined) throw new BindingError("unavailable", "there are no keys");
    await jwtVerify(token, this.#keys, {
      ...{ audience, algorithms, clockTolerance: tolerance },
      requiredClaims: ["exp"],
    });
  }

  /** Without an answer the keys that are there stay. */
  async #renew(): Promise<void> {
    const isFirst = this.#keys === undefined;
    if (this.#asking === undefined && isFirst && performance.now() - this.#askedAt < soonAgain)
      throw new BindingError("unavailable", "Microsoft Entra ID has just given no keys");
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    });
    await this.#asking.catch((error: unknown) => {
      if (this.#keys === undefined) throw error;
    });
  }

  async #ask(): Promise<void> {
    this.#askedAt = performance.now();
    const address = parseAddress(this.#options.keysUrl);
    const wanted = { method: "GET", address, headers: {}, secret: "" };
    const answered = await this.#client.ask(wanted, AbortSignal.timeout(requestLimit));
    const text = `Microsoft Entra ID gives no keys: HTTP ${answered.status}`;
    if (!isSuccess(answered.status)) throw serviceFailure(text, answered);
    const { keys } = jsonMembers(answered.body);
    if (!Array.isArray(keys)) throw new BindingError("internal", text);
    this.#keys = createLocalJWKSet({ keys });
  }
}

function problemOf(error: unknown): string {
  if (error instanceof errors.JWTExpired) return "its token has expired";
  if (error instanceof errors.JWTClaimValidationFailed)
    return `its token has no good claim ${JSON.stringify(error.claim)}`;
  return "its token is not signed by Microsoft Entra ID";
}
