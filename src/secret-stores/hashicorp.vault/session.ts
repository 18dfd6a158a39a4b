import type { Logger } from "../../logger.ts";
import { BindingError, messageOf } from "../../errors.ts";
import { longestTimer } from "../../metadata/duration.ts";
import type { Values } from "../../metadata/fields.ts";
import { readRegularFile } from "../../regular-file.ts";
import { encodePath, member, restFailure, type RestAnswer, type RestClient } from "../rest.ts";
import type { vaultFields } from "./fields.ts";

type Metadata = Values<typeof vaultFields>;

type Login = {
  readonly token: string;
  /** It ends when this store is closed: nobody else has it. */
  readonly isOwn: boolean;
};

const largestToken = 64 * 1024;
/** Milliseconds. */
const soonest = 1000;
const longestFarewell = 2000;
/** A log-in that was refused reads is not made again sooner, in milliseconds: it may be the policy. */
const loginAgainAfter = 60_000;

/** Asks Vault in the name of one token, which it obtains and renews. */
export class VaultSession implements AsyncDisposable {
  readonly #client: RestClient;
  readonly #metadata: Metadata;
  readonly #hide: (secret: string) => void;
  readonly #logger: Logger;
  readonly #headers: Readonly<Record<string, string>>;
  #login: Promise<Login> | undefined;
  #loggedInAt = -Infinity;
  #renewal: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(
    client: RestClient,
    metadata: Metadata,
    { hide, logger }: { hide: (secret: string) => void; logger: Logger },
  ) {
    this.#client = client;
    this.#metadata = metadata;
    this.#hide = hide;
    this.#logger = logger;
    const { vaultNamespace } = metadata;
    this.#headers = {
      "X-Vault-Request": "true",
      ...(vaultNamespace ? { "X-Vault-Namespace": vaultNamespace } : {}),
    };
  }

  /** Reads a path. Where the token has ended, another is obtained, once. */
  async get(path: string, signal: AbortSignal): Promise<RestAnswer> {
    const { token, isOwn } = await this.#loggedIn(signal);
    const answer = await this.#ask(path, token, signal);
    const mayBeEnded = answer.status === 403 && isOwn;
    if (!mayBeEnded || performance.now() - this.#loggedInAt < loginAgainAfter) return answer;
    this.#forget();
    const again = await this.#loggedIn(signal);
    return this.#ask(path, again.token, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#renewal);
    const login = await this.#login?.catch(() => undefined);
    if (login?.isOwn !== true) return;
    const signal = AbortSignal.timeout(longestFarewell);
    await this.#post("auth/token/revoke-self", {}, login.token, signal).catch(() => undefined);
  }

  #loggedIn(signal: AbortSignal): Promise<Login> {
    const { vaultTokenMountPath } = this.#metadata;
    if (vaultTokenMountPath) return this.#fromFile(vaultTokenMountPath);
    if (this.#login !== undefined) return this.#login;
    const login = this.#obtain(signal);
    this.#login = login;
    login.catch(() => {
      if (this.#login === login) this.#login = undefined;
    });
    return login;
  }

  #forget(): void {
    clearTimeout(this.#renewal);
    this.#login = undefined;
  }

  async #fromFile(file: string): Promise<Login> {
    const token = await readToken("vaultTokenMountPath", file);
    this.#hide(token);
    return { token, isOwn: false };
  }

  async #obtain(signal: AbortSignal): Promise<Login> {
    const { vaultToken, appRoleId, kubernetesRole } = this.#metadata;
    if (vaultToken) {
      await this.#lookUp(vaultToken, signal);
      return { token: vaultToken, isOwn: false };
    }
    const method = appRoleId ? await this.#byAppRole(appRoleId) : await this.#byPod(kubernetesRole);
    const answer = await this.#post(`auth/${method.path}/login`, method.body, undefined, signal);
    const token = member(answer.json, "auth", "client_token");
    if (answer.status !== 200 || typeof token !== "string") {
      const failure = restFailure(
        `Vault, asked to log in by ${method.name},`,
        answer,
        said(answer),
      );
      const { reason, message, systemCode } = failure;
      const isNo = reason === "invalid_argument" || reason === "permission_denied";
      throw new BindingError(isNo ? "unauthenticated" : reason, message, {
        ...{ effect: "unsent", systemCode },
      });
    }
    this.#hide(token);
    this.#loggedInAt = performance.now();
    const seconds = member(answer.json, "auth", "lease_duration");
    const isRenewable = member(answer.json, "auth", "renewable") === true;
    if (typeof seconds === "number") this.#renewBefore(token, seconds, isRenewable);
    return { token, isOwn: true };
  }

  async #byAppRole(role_id: string) {
    const { appRoleSecretId, appRoleSecretIdPath, appRoleMountPath } = this.#metadata;
    const secret_id = appRoleSecretIdPath
      ? await readToken("appRoleSecretIdPath", appRoleSecretIdPath)
      : appRoleSecretId;
    if (secret_id) this.#hide(secret_id);
    const body = secret_id ? { role_id, secret_id } : { role_id };
    return { name: "AppRole", path: encodePath(appRoleMountPath), body };
  }

  async #byPod(role = "") {
    const { kubernetesTokenPath, kubernetesMountPath } = this.#metadata;
    const jwt = await readToken("kubernetesTokenPath", kubernetesTokenPath);
    this.#hide(jwt);
    return { name: "Kubernetes", path: encodePath(kubernetesMountPath), body: { role, jwt } };
  }

  /** How long a given token lives. One that may not ask is taken as it is. */
  async #lookUp(token: string, signal: AbortSignal): Promise<void> {
    const answer = await this.#ask("auth/token/lookup-self", token, signal);
    const seconds = member(answer.json, "data", "ttl");
    const isRenewable = member(answer.json, "data", "renewable") === true;
    if (answer.status === 200 && typeof seconds === "number" && isRenewable)
      this.#renewBefore(token, seconds, true);
  }

  /** Renews at two thirds of its life; one that cannot be renewed is obtained anew by the next read then. */
  #renewBefore(token: string, seconds: number, isRenewable: boolean): void {
    clearTimeout(this.#renewal);
    if (seconds <= 0 || this.#closed) return;
    const pause = Math.min(longestTimer, Math.max(soonest, (seconds * 1000 * 2) / 3));
    this.#renewal = setTimeout(() => {
      if (isRenewable) void this.#renew(token, seconds);
      else if (!this.#metadata.vaultToken) this.#forget();
    }, pause).unref();
  }

  async #renew(token: string, lifetime: number): Promise<void> {
    const left = lifetime / 3;
    try {
      const signal = AbortSignal.timeout(10_000);
      const answer = await this.#post("auth/token/renew-self", {}, token, signal);
      const seconds = member(answer.json, "auth", "lease_duration");
      if (answer.status !== 200 || typeof seconds !== "number")
        throw restFailure("Vault, asked to renew the token,", answer, said(answer));
      // Near its longest life a renewal adds little: then another is obtained.
      const isLast = seconds < lifetime / 2;
      this.#renewBefore(token, seconds, !isLast || Boolean(this.#metadata.vaultToken));
    } catch (error) {
      const reason = messageOf(error);
      this.#logger.warn({ reason }, "the token of the secret store could not be renewed");
      if (this.#metadata.vaultToken) this.#renewBefore(token, left, left > 1);
      else this.#forget();
    }
  }

  #ask(path: string, token: string, signal: AbortSignal): Promise<RestAnswer> {
    const headers = { ...this.#headers, "X-Vault-Token": token };
    return this.#client.ask({ path: `/v1/${path}`, headers, signal });
  }

  #post(
    path: string,
    body: object,
    token: string | undefined,
    signal: AbortSignal,
  ): Promise<RestAnswer> {
    const headers = {
      ...this.#headers,
      ...(token === undefined ? {} : { "X-Vault-Token": token }),
    };
    return this.#client.ask({ method: "POST", path: `/v1/${path}`, headers, body, signal });
  }
}

/** Vault's own words. */
export function said({ json }: RestAnswer): string {
  const errors = member(json, "errors");
  return Array.isArray(errors) ? errors.filter((one) => typeof one === "string").join("; ") : "";
}

async function readToken(field: string, file: string): Promise<string> {
  try {
    const bytes = await readRegularFile(file, { largest: largestToken });
    const text = bytes.toString("utf8").trim();
    if (text === "") throw new Error("it is empty");
    return text;
  } catch (error) {
    const why = `${field}: the file ${file} cannot be read: ${messageOf(error)}`;
    throw new BindingError("unavailable", why, { effect: "unsent" });
  }
}
