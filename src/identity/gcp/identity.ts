import { readFileSync } from "node:fs";
import { BindingError, messageOf } from "../../errors.ts";
import type { MemoryShare } from "../../memory/budget.ts";
import type { Token } from "../../oauth/token.ts";
import { defaultCredentials, fileVariable, type Found } from "./chain.ts";
import { Exchange, jsonOf } from "./exchange.ts";
import { isExternal, library } from "./external-account.ts";
import { KeptToken } from "./kept-token.ts";
import { serviceAccount, type Uses } from "./service-account.ts";
import { noCredentials, textOf, type CredentialSource } from "./source.ts";

/** The drivers that a component may need for its credentials. */
export const identityDrivers = { [library]: "11.3.4" } as const;

/** The fields of a service account's key, as metadata have them. Without `privateKeyID` the default credentials are used. */
export type Credentials = {
  readonly type?: string | undefined;
  readonly privateKeyID?: string | undefined;
  readonly privateKey?: string | undefined;
  readonly clientEmail?: string | undefined;
  readonly tokenURI?: string | undefined;
};

export type IdentityOptions = {
  readonly credentials: Credentials;
  readonly scopes: readonly string[];
  readonly memory: MemoryShare;
  readonly hide: ((secret: string) => void) | undefined;
  readonly driver: (name: string) => unknown;
  /** Default: the process's. */
  readonly environment?: NodeJS.ProcessEnv;
};

/** Where a service account without a key of its own has something signed. */
const signingService = "https://iamcredentials.googleapis.com";

/** Who one is to Google's cloud. */
export class Identity implements AsyncDisposable {
  /** For messages: `service account a@b of the metadata`. */
  readonly described: string;
  readonly #source: CredentialSource;
  readonly #kept: KeptToken;
  readonly #exchange: Exchange;
  readonly #quotaProject: string | undefined;

  private constructor(
    { source, first }: Found,
    exchange: Exchange,
    environment: NodeJS.ProcessEnv,
  ) {
    this.described = source.described;
    this.#source = source;
    this.#exchange = exchange;
    this.#quotaProject = environment["GOOGLE_CLOUD_QUOTA_PROJECT"] || source.quotaProject;
    let proven: Token | undefined = first;
    this.#kept = new KeptToken(async (signal) => {
      const token = proven ?? (await this.#ask(signal));
      proven = undefined;
      return token;
    });
  }

  /**
   * Finds credentials, and proves that they give a token. Rejects with a `BindingError` that names each place that was
   * looked in, and why there is none.
   */
  static async open(options: IdentityOptions, signal: AbortSignal): Promise<Identity> {
    const { credentials, scopes, memory, driver, environment = process.env } = options;
    const exchange = new Exchange(memory);
    const hide = options.hide ?? ((): void => {});
    try {
      const uses = { scopes, exchange, hide, driver };
      const found = credentials.privateKeyID
        ? await ofMetadata(credentials, uses, signal)
        : await defaultCredentials(environment, uses, signal);
      return new Identity(found, exchange, environment);
    } catch (error) {
      await exchange[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** A token that is still good for ten seconds at least. Rejects with a `BindingError`. */
  token(signal: AbortSignal): Promise<string> {
    return this.#kept.get(signal);
  }

  /** What a request must carry: names in lower case. */
  async headers(signal: AbortSignal): Promise<Record<string, string>> {
    const authorization = `Bearer ${await this.token(signal)}`;
    const project = this.#quotaProject;
    return { authorization, ...(project ? { "x-goog-user-project": project } : {}) };
  }

  /** The server has refused what {@link headers} gave: the next one is asked for anew. */
  refused(headers: Readonly<Record<string, string>>): void {
    this.#kept.drop((headers["authorization"] ?? "").replace(/^Bearer /, ""));
  }

  /** The service account's address. Rejects with a `BindingError` where one is no service account. */
  async email(signal: AbortSignal): Promise<string> {
    const { email, described } = this.#source;
    if (email !== undefined) return email(signal);
    throw new BindingError(
      "failed_precondition",
      `the ${described} is no service account: nothing can be signed with it`,
    );
  }

  /** Signs with RSA and SHA-256: with the key where it is here, else Google does (`iam.serviceAccounts.signBlob`). */
  async sign(text: string, signal: AbortSignal): Promise<Buffer> {
    if (this.#source.sign !== undefined) return this.#source.sign(text);
    const email = await this.email(signal);
    const url = `${signingService}/v1/projects/-/serviceAccounts/${encodeURIComponent(email)}:signBlob`;
    const authorization = `Bearer ${await this.token(signal)}`;
    const body = JSON.stringify({ payload: Buffer.from(text).toString("base64") });
    const question = { url, contentType: "application/json", body, authorization } as const;
    const signed = textOf(await this.#exchange.post(question, signal), "signedBlob");
    if (signed === undefined) throw noCredentials(`${signingService} answered without a signature`);
    return Buffer.from(signed, "base64");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#exchange[Symbol.asyncDispose]();
  }

  async #ask(signal: AbortSignal): Promise<Token> {
    try {
      return await this.#source.token(signal);
    } catch (error) {
      throw noCredentials(`no token for the ${this.described}: ${messageOf(error)}`, error);
    }
  }
}

/**
 * Whether credentials are such that Google's library reads them. It reads the file that the environment names, and never
 * throws.
 */
export function needsLibrary(
  credentials: Pick<Credentials, "privateKeyID">,
  environment: NodeJS.ProcessEnv = process.env,
): boolean {
  const path = environment[fileVariable];
  if (credentials.privateKeyID || !path) return false;
  try {
    return isExternal(textOf(jsonOf(readFileSync(path, "utf8")), "type"));
  } catch {
    return false;
  }
}

async function ofMetadata(
  credentials: Credentials,
  uses: Uses,
  signal: AbortSignal,
): Promise<Found> {
  const { type, privateKey, privateKeyID, clientEmail, tokenURI } = credentials;
  const missing = [...(privateKey ? [] : ["privateKey"]), ...(clientEmail ? [] : ["clientEmail"])];
  const wrong = (text: string): BindingError =>
    new BindingError("invalid_argument", text, { effect: "unsent" });
  if (!privateKey || !clientEmail)
    throw wrong(`the metadata has privateKeyID without ${missing.join(" and ")}`);
  if (type && type !== "service_account")
    throw wrong(`the metadata's type is ${type}; with privateKeyID it is service_account`);
  const account = { email: clientEmail, privateKey, keyId: privateKeyID, tokenUri: tokenURI };
  const source = serviceAccount(account, `service account ${clientEmail} of the metadata`, uses);
  try {
    return { source, first: await source.token(signal) };
  } catch (error) {
    throw noCredentials(`no token for the ${source.described}: ${messageOf(error)}`, error);
  }
}
