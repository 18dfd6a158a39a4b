import type { KeyObject } from "node:crypto";
import { SignJWT } from "jose";
import { BindingError } from "../../errors.ts";
import { parseAddress } from "../../http-client/address.ts";
import type { Answered } from "../../http-client/exchange.ts";
import { prefixed } from "../../http-client/prefixed.ts";
import { jsonMembers, serviceFailure } from "../../http-client/service-client.ts";
import type { ServiceClient } from "../../http-client/service-client.ts";
import { within } from "../../http-client/within.ts";
import { workerVersion } from "./worker-script.ts";

export type WorkerOptions = {
  readonly client: ServiceClient;
  /** The worker's address, with a slash at its end. */
  readonly url: (signal: AbortSignal) => Promise<string>;
  readonly name: string;
  readonly key: KeyObject;
  readonly queue: string;
  /** Milliseconds. */
  readonly timeout: number;
};

const issuer = "dapr.io/cloudflare";
/** Seconds. */
const lifetime = 60;

/** The worker that Dapr has for queues, by its HTTP interface. */
export class Worker {
  readonly #options: WorkerOptions;

  constructor(options: WorkerOptions) {
    this.#options = options;
  }

  /** Rejects with a `BindingError` if the worker does not have the queue. */
  async check(signal: AbortSignal): Promise<void> {
    const answered = await this.#ask("GET", ".well-known/dapr/info", undefined, signal);
    if (answered.status !== 200) throw refusal(answered);
    const { version, queues } = jsonMembers(answered.body);
    if (!(Number(version) >= workerVersion))
      throw wrong(`the worker is running an outdated version '${Number(version) || 0}'`);
    const { queue } = this.#options;
    if (!Array.isArray(queues) || !queues.includes(queue))
      throw new BindingError("not_found", `the worker is not bound to the queue '${queue}'`);
  }

  async publish(data: Uint8Array, signal: AbortSignal): Promise<void> {
    const answered = await this.#ask("POST", `queues/${this.#options.queue}`, data, signal);
    if (answered.status !== 201) throw refusal(answered);
  }

  async #ask(
    method: string,
    path: string,
    body: Uint8Array | undefined,
    signal: AbortSignal,
  ): Promise<Answered> {
    const { client, timeout } = this.#options;
    const url = await this.#options.url(signal);
    const secret = await this.#token();
    const headers = { authorization: `Bearer ${secret}` };
    const wanted = { method, address: parseAddress(`${url}${path}`), headers, body, secret };
    return prefixed(
      "error invoking the worker: ",
      within(timeout, "timeoutInSeconds", signal, (limited) => client.ask(wanted, limited)),
    );
  }

  #token(): Promise<string> {
    const { name, key } = this.#options;
    const now = Math.floor(Date.now() / 1000);
    return new SignJWT()
      .setProtectedHeader({ alg: "EdDSA", typ: "JWT" })
      .setAudience(name)
      .setIssuer(issuer)
      .setIssuedAt(now)
      .setExpirationTime(now + lifetime)
      .sign(key);
  }
}

function refusal(answered: Answered): BindingError {
  return serviceFailure(`invalid response status code: ${answered.status}`, answered);
}

function wrong(message: string): BindingError {
  return new BindingError("failed_precondition", message);
}
