import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { BindingError, messageOf } from "../../errors.ts";
import { failureOfStatus } from "../../http-client/status.ts";
import type { KubernetesConfig } from "../../identity/kubernetes/config.ts";
import { boundedText } from "../../memory/bounded-text.ts";
import type { Reservation } from "../../memory/budget.ts";
import { noRoomFor } from "./lines.ts";

export type ApiOptions = {
  readonly config: KubernetesConfig;
  readonly namespace: string;
  readonly hide: ((secret: string) => void) | undefined;
};

/** A page of the list has so many events. */
const pageSize = 500;
/** Of a page, in bytes. */
const largestPage = 64 * 1024 * 1024;
const largestRefusal = 64 * 1024;
const answerTimeout = 30_000;
const unconnected =
  /^(ECONNREFUSED|ENOTFOUND|EAI_\w+|EHOSTUNREACH|ENETUNREACH|ERR_TLS_\w+|\w*(CERT|SIGNED|VERIFY)\w*)$/;

/** Kubernetes' API of the events of one namespace. */
export class EventsApi {
  readonly #options: ApiOptions;
  readonly #path: string;

  constructor(options: ApiOptions) {
    this.#options = options;
    this.#path = `/api/v1/namespaces/${encodeURIComponent(options.namespace)}/events`;
  }

  /** Any answer shows that the server is there. Rejects with a `BindingError`. */
  async ping(signal: AbortSignal): Promise<void> {
    const response = await this.#get("/version", signal);
    response.resume();
  }

  /** A page of the list, as JSON, with its bytes counted in the room. */
  async page(from: string, signal: AbortSignal, room: Reservation): Promise<string> {
    const query = new URLSearchParams({ limit: String(pageSize) });
    if (from !== "") query.set("continue", from);
    const response = await this.#get(`${this.#path}?${query.toString()}`, signal);
    if (response.statusCode !== 200) throw await this.#refusal("listing", response);
    return boundedText(counted(response, room), largestPage);
  }

  /** What happens after the version, in lines of JSON, until the server or the signal ends it. */
  async watch(
    resourceVersion: string,
    timeoutSeconds: number,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const query = new URLSearchParams({
      ...{ watch: "true", allowWatchBookmarks: "true", resourceVersion },
      timeoutSeconds: String(timeoutSeconds),
    });
    const response = await this.#get(`${this.#path}?${query.toString()}`, signal);
    if (response.statusCode !== 200) throw await this.#refusal("watching", response);
    // Whoever watches knows how long nothing may come.
    response.setTimeout(0);
    return response;
  }

  async #get(path: string, signal: AbortSignal): Promise<IncomingMessage> {
    const { url, tls, token, basic } = this.#options.config;
    const bearer = await token();
    const authorization = bearer === undefined ? basic : `Bearer ${bearer}`;
    const secret = bearer ?? basic;
    if (secret !== undefined) this.#options.hide?.(secret);
    const headers = {
      accept: "application/json",
      ...(authorization === undefined ? {} : { authorization }),
    };
    const target = new URL(url.replace(/\/+$/, "") + path);
    const request =
      target.protocol === "http:"
        ? httpRequest(target, { headers, signal, agent: false })
        : httpsRequest(target, { ...tls, headers, signal, agent: false });
    request.setTimeout(answerTimeout, () => request.destroy(new Error("no answer in time")));
    try {
      request.end();
      const [response] = (await once(request, "response")) as [IncomingMessage];
      request.on("error", () => undefined);
      return response;
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : undefined;
      const text = `Kubernetes at ${target.host}: ${messageOf(error)}`;
      const effect = code !== undefined && unconnected.test(code) ? "unsent" : "ambiguous";
      throw new BindingError("unavailable", text, { effect, systemCode: code });
    }
  }

  async #refusal(what: string, response: IncomingMessage): Promise<BindingError> {
    const status = response.statusCode ?? 0;
    const text = await boundedText(response, largestRefusal).catch(() => "");
    return statusFailure(`${what} the events of ${this.#options.namespace}`, status, text);
  }
}

async function* counted(parts: AsyncIterable<Buffer>, room: Reservation): AsyncGenerator<Buffer> {
  for await (const part of parts) {
    if (!room.reserve(part.length)) throw noRoomFor("a page of the list");
    yield part;
  }
}

/** Whether the server does not know any more what was asked for, so that all is to be listed again. */
export function isForgotten({ systemCode }: BindingError): boolean {
  return systemCode === "Expired" || systemCode === "Gone" || systemCode === "410";
}

/** What a `Status` object of the API says. */
export function statusFailure(what: string, status: number, json: string): BindingError {
  let said = "";
  let code = String(status);
  try {
    const { message, reason } = JSON.parse(json) as { message?: unknown; reason?: unknown };
    if (typeof message === "string") said = `: ${message.slice(0, 1000)}`;
    if (typeof reason === "string" && reason !== "") code = reason;
  } catch {
    // The status is told all the same.
  }
  const { reason, effect } = failureOfStatus(status);
  return new BindingError(reason, `Kubernetes, ${what}: HTTP ${status}${said}`, {
    ...{ effect, systemCode: code },
  });
}
