import type { Questions } from "../../../examination.ts";
import { parseAddress } from "../../../http-client/address.ts";
import type { Answered } from "../../../http-client/exchange.ts";
import { examineOrigin } from "../../../http-client/examine.ts";
import { prefixed } from "../../../http-client/prefixed.ts";
import { ServiceClient, serviceFailure } from "../../../http-client/service-client.ts";
import type { ServiceOptions } from "../../../http-client/service-client.ts";
import { isSuccess } from "../../../http-client/status.ts";
import type { Entra } from "../../../identity/azure/entra.ts";

const scope = "https://eventgrid.azure.net/.default";

export type TopicLogin = { readonly accessKey: string } | { readonly entra: Entra };

/** A topic of Event Grid. */
export class Topic implements AsyncDisposable {
  readonly #client: ServiceClient;
  readonly #endpoint: string;
  readonly #login: TopicLogin;

  private constructor(client: ServiceClient, endpoint: string, login: TopicLogin) {
    this.#client = client;
    this.#endpoint = endpoint;
    this.#login = login;
  }

  /** Connects to nothing. Throws a `BindingError` for an endpoint that is no URL. */
  static async open(
    endpoint: string,
    login: TopicLogin,
    tools: Omit<ServiceOptions, "url">,
  ): Promise<Topic> {
    const client = await ServiceClient.open({ url: endpoint, ...tools });
    return new Topic(client, endpoint, login);
  }

  /** Publishes what is one event of CloudEvents in JSON. */
  async publish(event: Uint8Array, signal: AbortSignal): Promise<void> {
    const login = this.#login;
    if ("accessKey" in login) {
      const { accessKey } = login;
      return done(await this.#post(event, { "aeg-sas-key": accessKey }, accessKey, signal));
    }
    const { entra } = login;
    const token = await entra.token(scope, signal);
    const answered = await this.#bearing(token, event, signal);
    if (answered.status !== 401) return done(answered);
    // One that is not taken any more is asked for again, once.
    entra.refused(token);
    const another = await entra.token(scope, signal);
    done(another === token ? answered : await this.#bearing(another, event, signal));
  }

  /** Whether the topic is there, and Entra ID, where it is asked, gives a token for it. */
  async examine(questions: Questions): Promise<void> {
    const { signal, ask, unknown } = questions;
    await examineOrigin(this.#client, this.#endpoint, questions);
    const login = this.#login;
    if ("entra" in login)
      await ask("authenticated", "", async () => {
        await login.entra.token(scope, signal);
      });
    else unknown("authenticated", "", "Event Grid checks the key only of what is published");
    unknown("may write", "", "only publishing an event tells");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]();
  }

  #bearing(token: string, event: Uint8Array, signal: AbortSignal): Promise<Answered> {
    return this.#post(event, { authorization: `Bearer ${token}` }, token, signal);
  }

  #post(
    body: Uint8Array,
    login: Readonly<Record<string, string>>,
    secret: string,
    signal: AbortSignal,
  ): Promise<Answered> {
    const headers = { ...login, "content-type": "application/cloudevents+json" };
    const address = parseAddress(this.#endpoint);
    const wanted = { method: "POST", address, headers, body, secret };
    return prefixed("request error: ", this.#client.ask(wanted, signal));
  }
}

/** In Dapr's words. */
function done(answered: Answered): void {
  const { status, body } = answered;
  if (isSuccess(status)) return;
  const text = `invalid status code (${status}) - response: ${body.toString("utf8")}`;
  throw serviceFailure(text, answered);
}
