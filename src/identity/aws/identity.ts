import { BindingError } from "../../errors.ts";
import { HttpClient } from "../../http-client/client.ts";
import type { ClientOptions } from "../../http-client/client.ts";
import { chainCredentials, chainDriver, isChainBuiltIn } from "./chain.ts";
import type { AwsCredentials, AwsLogin } from "./credentials.ts";
import { endpointOf } from "./region.ts";
import { assumeRole } from "./sts.ts";
import type { Sts } from "./sts.ts";

export { chainDriverVersions } from "./chain.ts";
export type { AwsCredentials, AwsLogin } from "./credentials.ts";

export type IdentityOptions = {
  readonly login: AwsLogin;
  readonly region: string;
  readonly memory: ClientOptions["memory"];
  /** Loads the vendor's library. */
  readonly driver: (name: string) => unknown;
  readonly hide?: ((secret: string) => void) | undefined;
  /** For the security token service. */
  readonly tls?: ClientOptions["tls"] | undefined;
};

/** Milliseconds before their end that credentials are renewed, while the old ones still serve. */
const early = 5 * 60_000;
/** Milliseconds before their end that they serve no more. */
const late = 15_000;
/** Milliseconds between two attempts to renew what still serves. */
const pause = 10_000;

/** Gives credentials, and renews them before they end. */
export class AwsIdentity implements AsyncDisposable {
  readonly #options: IdentityOptions;
  readonly #sts: Sts;
  readonly #end = new AbortController();
  #client: Promise<HttpClient> | undefined;
  #current: AwsCredentials | undefined;
  #renewal: Promise<AwsCredentials> | undefined;
  #triedAt = -Infinity;

  constructor(options: IdentityOptions) {
    this.#options = options;
    const hide = options.hide ?? (() => undefined);
    this.#sts = { region: options.region, hide, client: () => this.#connect() };
  }

  /** Credentials that serve. Rejects with a `BindingError` that is `unsent`. */
  credentials(): Promise<AwsCredentials> | AwsCredentials {
    const current = this.#current;
    const left = remaining(current);
    if (current === undefined || left <= late) return this.#renew();
    if (left <= early && Date.now() - this.#triedAt >= pause) {
      // What goes wrong with it is told once the old ones have ended.
      this.#renew().catch(() => undefined);
    }
    return current;
  }

  /**
   * The service has refused these: the next are asked for anew. False: they are fixed, and others will not come.
   */
  refuse(credentials: AwsCredentials): boolean {
    if (this.#current === credentials) this.#current = undefined;
    const { login } = this.#options;
    return staticKeys(login) === undefined || Boolean(login.assumeRoleArn);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort(new BindingError("cancelled", "the component is closed"));
    const client = await this.#client?.catch(() => undefined);
    await client?.[Symbol.asyncDispose]();
  }

  #renew(): Promise<AwsCredentials> {
    this.#renewal ??= this.#obtain().finally(() => {
      this.#renewal = undefined;
    });
    return this.#renewal;
  }

  async #obtain(): Promise<AwsCredentials> {
    this.#triedAt = Date.now();
    const { login, driver, hide } = this.#options;
    const { signal } = this.#end;
    let credentials = staticKeys(login) ?? (await chainCredentials(this.#sts, driver, signal));
    if (login.assumeRoleArn) {
      const parameters = {
        RoleArn: login.assumeRoleArn,
        RoleSessionName: login.sessionName || `cufflink-${Date.now()}`,
      };
      credentials = await assumeRole(this.#sts, { parameters, with: credentials }, signal);
    }
    hide?.(credentials.secretAccessKey);
    if (credentials.sessionToken) hide?.(credentials.sessionToken);
    this.#current = credentials;
    return credentials;
  }

  #connect(): Promise<HttpClient> {
    const { region, memory, tls } = this.#options;
    const url = endpointOf({ host: "sts", variable: "STS", region });
    this.#client ??= import("undici").then((undici) =>
      HttpClient.open(undici, { url, memory, maxConnections: 2, ...(tls ? { tls } : {}) }),
    );
    return this.#client;
  }
}

/** Whether credentials come from the vendor's library: there are none in the metadata, nor in the environment. */
export function needsDriver(login: AwsLogin): boolean {
  return staticKeys(login) === undefined && !isChainBuiltIn();
}

/** As a binding's `needsDriver`. */
export function needsAwsDriver(name: string, login: AwsLogin): boolean {
  return name !== chainDriver || needsDriver(login);
}

function staticKeys({ accessKey, secretKey, sessionToken }: AwsLogin): AwsCredentials | undefined {
  if (!accessKey || !secretKey) return undefined;
  return {
    accessKeyId: accessKey,
    secretAccessKey: secretKey,
    ...(sessionToken ? { sessionToken } : {}),
  };
}

function remaining(credentials: AwsCredentials | undefined): number {
  const ends = credentials?.expiration?.getTime();
  return ends === undefined ? Infinity : ends - Date.now();
}
