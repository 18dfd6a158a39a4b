import { SignJWT } from "jose";
import { BindingError } from "../../../errors.ts";
import { parseAddress } from "../../../http-client/address.ts";
import type { Answered } from "../../../http-client/exchange.ts";
import { prefixed } from "../../../http-client/prefixed.ts";
import { jsonMembers, serviceFailure } from "../../../http-client/service-client.ts";
import type { ServiceClient } from "../../../http-client/service-client.ts";
import { isSuccess } from "../../../http-client/status.ts";
import type { Entra } from "../../../identity/azure/entra.ts";

export type HubsOptions = {
  readonly client: ServiceClient;
  readonly endpoint: string;
  readonly login: { readonly accessKey: Uint8Array } | { readonly entra: Entra };
  /** Empty: each call names one. */
  readonly hub: string | undefined;
};

type Receiver = {
  readonly hub?: string | undefined;
  readonly group?: string | undefined;
  readonly user?: string | undefined;
};

const apiVersion = "2022-11-01";
const scope = "https://signalr.azure.com/.default";
/** How long tokens are good, in seconds. */
const sendLifetime = 15 * 60;
const clientLifetime = 60 * 60;
/** The most characters of a hub, a group or a user. */
const longestName = 1024;

/** The hubs of a SignalR service, by its REST API. */
export class Hubs {
  readonly #options: HubsOptions;

  constructor(options: HubsOptions) {
    this.#options = options;
  }

  async send(receiver: Receiver, data: Uint8Array, signal: AbortSignal): Promise<void> {
    const { group, user } = receiver;
    const hub = this.#path(receiver);
    const to = group
      ? `groups/${nameOf("group", group)}/`
      : user
        ? `users/${nameOf("user", user)}/`
        : "";
    const url = `${hub}/${to}:send?api-version=${apiVersion}`;
    await this.#post(url, await this.#token(url, undefined, sendLifetime, signal), data, signal);
  }

  async negotiate(
    receiver: Receiver,
    signal: AbortSignal,
  ): Promise<{ accessToken: string; url: string }> {
    const { endpoint, login } = this.#options;
    const url = `${endpoint}/client/?hub=${this.#hub(receiver)}`;
    const user = receiver.user || undefined;
    if (user !== undefined && user.length > longestName) throw tooLong("user");
    const accessToken = await prefixed(
      "error generating negotiate payload: ",
      "entra" in login
        ? this.#generated(receiver, user, signal)
        : this.#token(url, user, clientLifetime, signal),
    );
    return { accessToken, url };
  }

  /** A client's token that the service makes, for who has no access key. */
  async #generated(
    receiver: Receiver,
    user: string | undefined,
    signal: AbortSignal,
  ): Promise<string> {
    const query = new URLSearchParams({ "api-version": apiVersion });
    if (user !== undefined) query.set("userId", user);
    const url = `${this.#path(receiver)}/:generateToken?${query.toString()}`;
    const answered = await this.#post(
      url,
      await this.#token(url, undefined, sendLifetime, signal),
      new Uint8Array(),
      signal,
    );
    const { token } = jsonMembers(answered.body);
    if (typeof token === "string" && token !== "") return token;
    throw new BindingError("internal", "token is empty in response from Azure SignalR");
  }

  /** Asks whether a group has connections, which needs a login that the service knows. Rejects with a `BindingError`. */
  async examine(signal: AbortSignal): Promise<void> {
    const { client, login } = this.#options;
    // Without a hub of its own, any: a hub is no more than a name.
    const hub = this.#path({ hub: this.#options.hub || "cufflink" });
    const url = `${hub}/groups/cufflink?api-version=${apiVersion}`;
    const token = await this.#token(url, undefined, sendLifetime, signal);
    const headers = { authorization: `Bearer ${token}` };
    const wanted = { method: "HEAD", address: parseAddress(url), headers, secret: token };
    const answered = await client.ask(wanted, signal);
    const { status } = answered;
    // 404: it has none.
    if (isSuccess(status) || status === 404) return;
    if (status === 401 && "entra" in login) login.entra.refused(token);
    throw serviceFailure(`azure signalr failed with code ${status}`, answered);
  }

  async #post(
    url: string,
    token: string,
    body: Uint8Array,
    signal: AbortSignal,
  ): Promise<Answered> {
    const { client, login } = this.#options;
    const headers = {
      authorization: `Bearer ${token}`,
      "content-type": "application/json; charset=utf-8",
    };
    const wanted = { method: "POST", address: parseAddress(url), headers, body, secret: token };
    const answered = await prefixed(
      "request to azure signalr api failed: ",
      client.ask(wanted, signal),
    );
    const { status } = answered;
    if (status === 200 || status === 202) return answered;
    if (status === 401 && "entra" in login) login.entra.refused(token);
    throw serviceFailure(
      `azure signalr failed with code ${status}, content is '${answered.body.toString("utf8")}'`,
      answered,
    );
  }

  async #token(
    audience: string,
    user: string | undefined,
    lifetime: number,
    signal: AbortSignal,
  ): Promise<string> {
    const { login } = this.#options;
    if ("entra" in login) return login.entra.token(scope, signal);
    const jwt = new SignJWT()
      .setProtectedHeader({ alg: "HS256", typ: "JWT" })
      .setAudience(audience)
      .setExpirationTime(Math.floor(Date.now() / 1000) + lifetime);
    if (user !== undefined) jwt.setSubject(user.toWellFormed());
    return jwt.sign(login.accessKey);
  }

  #path(receiver: Receiver): string {
    return `${this.#options.endpoint}/api/hubs/${this.#hub(receiver)}`;
  }

  /** In lower case, as the vendor's SDKs write it. */
  #hub(receiver: Receiver): string {
    const hub = receiver.hub || this.#options.hub;
    if (!hub) throw new BindingError("invalid_argument", "missing hub");
    return nameOf("hub", hub.toLowerCase());
  }
}

/** A name as one part of a path or query. */
function nameOf(what: string, name: string): string {
  if (name === "." || name === "..")
    throw new BindingError("invalid_argument", `a ${what} cannot be named ${name}`);
  if (name.length > longestName) throw tooLong(what);
  return encodeURIComponent(name.toWellFormed());
}

function tooLong(what: string): BindingError {
  return new BindingError(
    "invalid_argument",
    `the name of the ${what} has more than ${longestName} characters`,
  );
}
