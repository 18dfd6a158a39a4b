import { once } from "node:events";
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { isDeepStrictEqual } from "node:util";
import { BindingError, messageOf } from "../errors.ts";
import type { KubernetesAccess, KubernetesLogin } from "../identity/kubernetes/access.ts";
import { boundedText } from "../memory/bounded-text.ts";
import type { Reservation } from "../memory/budget.ts";
import { noRoomFor } from "./lines.ts";
import { statusFailure } from "./status.ts";

export type ClientOptions = {
  readonly login: KubernetesLogin;
  /** Told what must not be shown. */
  readonly hide?: ((secret: string) => void) | undefined;
};

/** A collection of objects, as `/api/v1/namespaces/shop/events`, and its name in messages. */
export type Collection = { readonly path: string; readonly name: string };

export type PageOptions = {
  /** The most objects of the page. */
  readonly limit: number;
  /** Where the page before has ended; empty: at the start. */
  readonly from: string;
  readonly fieldSelector?: string | undefined;
  readonly signal: AbortSignal;
  /** Where the page's bytes are counted. */
  readonly room?: Reservation | undefined;
};

export type WatchOptions = {
  readonly resourceVersion: string;
  readonly timeoutSeconds: number;
  readonly fieldSelector?: string | undefined;
  readonly signal: AbortSignal;
};

/** Of a page, in bytes. */
const largestPage = 64 * 1024 * 1024;
const largestRefusal = 64 * 1024;
/** Milliseconds without a byte, after which an answer counts as lost. */
const answerTimeout = 30_000;
/** Milliseconds without a byte, after which the system asks whether the other side of a watch is still there. */
const keepAlive = 15_000;
const mostConnections = 16;
const unconnected =
  /^(ECONNREFUSED|ENOTFOUND|EAI_\w+|EHOSTUNREACH|ENETUNREACH|ERR_TLS_\w+|\w*(CERT|SIGNED|VERIFY)\w*)$/;

/** The API server of Kubernetes. The log-in is read anew for each request. */
export class KubernetesClient implements Disposable {
  readonly #options: ClientOptions;
  #connections: { readonly access: KubernetesAccess; readonly agent: HttpAgent } | undefined;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  /** Any answer shows that the server is there. Rejects with a `BindingError`. */
  async ping(signal: AbortSignal): Promise<void> {
    await this.get("/version", signal, largestRefusal).catch((error: unknown) => {
      if (!(error instanceof BindingError) || error.systemCode === "TooLarge") return;
      throw error;
    });
  }

  /** An answer's status and its body, of at most so many bytes. Rejects with a `BindingError`. */
  async get(
    path: string,
    signal: AbortSignal,
    largest: number,
  ): Promise<{ readonly status: number; readonly text: string }> {
    const response = await this.#send(path, signal, "pooled");
    return { status: response.statusCode ?? 0, text: await textOf(response, largest) };
  }

  /** Whether what a path names is there. Rejects with a `BindingError`, `not_found` where it is not. */
  async find(path: string, name: string, signal: AbortSignal): Promise<void> {
    const { status, text } = await this.get(path, signal, largestRefusal);
    if (status !== 200) throw statusFailure(`asking for ${name}`, status, text);
  }

  /** Changes an object by a JSON patch. Resolves to the answer's status and its body, of at most so many bytes. */
  async patch(
    path: string,
    operations: readonly object[],
    signal: AbortSignal,
    largest: number,
  ): Promise<{ readonly status: number; readonly text: string }> {
    const body = JSON.stringify(operations);
    const response = await this.#send(path, signal, "pooled", body);
    return { status: response.statusCode ?? 0, text: await textOf(response, largest) };
  }

  /** A page of a list, as JSON. Rejects with a `BindingError`. */
  async page(
    collection: Collection,
    { limit, from, fieldSelector, signal, room }: PageOptions,
  ): Promise<string> {
    const query = new URLSearchParams({ limit: String(limit) });
    if (from !== "") query.set("continue", from);
    if (fieldSelector !== undefined) query.set("fieldSelector", fieldSelector);
    const response = await this.#send(`${collection.path}?${query.toString()}`, signal, "pooled");
    if (response.statusCode !== 200) throw await refusal(`listing ${collection.name}`, response);
    return textOf(room === undefined ? response : counted(response, room), largestPage);
  }

  /** What happens after the version, in lines of JSON, until the server or the signal ends it. Rejects with a `BindingError`. */
  async watch(
    collection: Collection,
    { resourceVersion, timeoutSeconds, fieldSelector, signal }: WatchOptions,
  ): Promise<IncomingMessage> {
    const query = new URLSearchParams({
      ...{ watch: "true", allowWatchBookmarks: "true", resourceVersion },
      timeoutSeconds: String(timeoutSeconds),
      ...(fieldSelector === undefined ? {} : { fieldSelector }),
    });
    const response = await this.#send(`${collection.path}?${query.toString()}`, signal, "alone");
    if (response.statusCode !== 200) throw await refusal(`watching ${collection.name}`, response);
    // Whoever watches knows how long nothing may come.
    response.setTimeout(0);
    response.socket.setKeepAlive(true, keepAlive);
    return response;
  }

  [Symbol.dispose](): void {
    this.#connections?.agent.destroy();
    this.#connections = undefined;
  }

  async #send(
    path: string,
    signal: AbortSignal,
    connection: "pooled" | "alone",
    patch?: string,
  ): Promise<IncomingMessage> {
    const access = await this.#options.login.read();
    const { url, tls, authorization, secret } = access;
    if (secret !== undefined) this.#options.hide?.(secret);
    const headers = {
      accept: "application/json",
      ...(authorization === undefined ? {} : { authorization }),
      ...(patch === undefined ? {} : { "content-type": "application/json-patch+json" }),
    };
    const method = patch === undefined ? "GET" : "PATCH";
    const target = new URL(url.replace(/\/+$/, "") + path);
    const agent = connection === "alone" ? false : this.#agentFor(access);
    for (let isFirst = true; ; isFirst = false) {
      const request =
        target.protocol === "http:"
          ? httpRequest(target, { method, headers, signal, agent })
          : httpsRequest(target, { ...tls, method, headers, signal, agent });
      request.setTimeout(answerTimeout, () => request.destroy(new Error("no answer in time")));
      try {
        request.end(patch);
        const [response] = (await once(request, "response")) as [IncomingMessage];
        request.on("error", () => undefined);
        return response;
      } catch (error) {
        // The server may end a connection that waits for the next request.
        if (request.reusedSocket && isFirst && !signal.aborted) continue;
        const code = error instanceof Error && "code" in error ? String(error.code) : undefined;
        const text = `Kubernetes at ${target.host}: ${messageOf(error)}`;
        const effect = code !== undefined && unconnected.test(code) ? "unsent" : "ambiguous";
        throw new BindingError("unavailable", text, { effect, systemCode: code });
      }
    }
  }

  /** The connections that are kept for the next requests: others once the address or the certificates are others. */
  #agentFor(access: KubernetesAccess): HttpAgent {
    const { url, tls } = access;
    const before = this.#connections;
    if (before?.access.url === url && isDeepStrictEqual(before.access.tls, tls))
      return before.agent;
    const options = { keepAlive: true, maxSockets: mostConnections, maxFreeSockets: 1 };
    const agent = url.startsWith("http:")
      ? new HttpAgent(options)
      : new HttpsAgent({ ...options, ...tls });
    if (before !== undefined) retire(before.agent);
    this.#connections = { access, agent };
    return agent;
  }
}

/** Its connections end: those at work once they have their answer. */
function retire(agent: HttpAgent): void {
  agent.maxFreeSockets = 0;
  for (const free of Object.values(agent.freeSockets))
    for (const socket of free ?? []) socket.destroy();
}

async function refusal(what: string, response: IncomingMessage): Promise<BindingError> {
  const text = await textOf(response, largestRefusal).catch(() => "");
  return statusFailure(what, response.statusCode ?? 0, text);
}

async function textOf(body: AsyncIterable<Buffer>, largest: number): Promise<string> {
  try {
    return await boundedText(body, largest);
  } catch (error) {
    if (error instanceof BindingError) throw error;
    const isTooLarge = error instanceof Error && !("code" in error);
    throw new BindingError(
      isTooLarge ? "resource_exhausted" : "unavailable",
      `Kubernetes: ${messageOf(error)}`,
      { effect: "ambiguous", ...(isTooLarge ? { systemCode: "TooLarge" } : {}) },
    );
  }
}

async function* counted(parts: AsyncIterable<Buffer>, room: Reservation): AsyncGenerator<Buffer> {
  for await (const part of parts) {
    if (!room.reserve(part.length)) throw noRoomFor("a page of the list");
    yield part;
  }
}
