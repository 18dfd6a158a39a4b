import { BindingError } from "../../errors.ts";
import { parseAddress, type Address } from "../../http-client/address.ts";
import { HttpClient } from "../../http-client/client.ts";
import type { Answered } from "../../http-client/exchange.ts";
import { setHeader, userAgent, type RequestHeaders } from "../../http-client/headers.ts";
import { failureOfStatus, isSuccess, retryAfterOf } from "../../http-client/status.ts";
import type { Streamed } from "../../http-client/streamed.ts";
import { grantOfJson } from "../../identity/gcp/denied-permission.ts";
import type { Identity } from "../../identity/gcp/identity.ts";
import { boundedText } from "../../memory/bounded-text.ts";
import type { MemoryShare } from "../../memory/budget.ts";
import type { Place } from "./place.ts";

export type StorageRequest = {
  readonly method: "GET" | "POST" | "PUT" | "DELETE" | "PATCH";
  /** Behind the server's address, ready for the request line; or a whole address of the same server. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Statuses beside 2xx that are no failure. */
  readonly also?: readonly number[];
};

export type StorageOptions = {
  readonly place: Place;
  /** `undefined`: none is needed. */
  readonly identity: Identity | undefined;
  readonly ca?: string | undefined;
  readonly memory: MemoryShare;
};

const mostConnections = 64;
const largestError = 64 * 1024;
const longestMessage = 2_000;

/** Google's JSON API of Cloud Storage. */
export class StorageClient implements AsyncDisposable {
  readonly identity: Identity | undefined;
  readonly place: Place;
  readonly #http: HttpClient;

  private constructor(http: HttpClient, { identity, place }: StorageOptions) {
    this.#http = http;
    this.identity = identity;
    this.place = place;
  }

  /** Connects to nothing. Rejects with a `BindingError` for an endpoint that is none. */
  static async open(options: StorageOptions): Promise<StorageClient> {
    const { place, ca, memory } = options;
    const url = /^https?:\/\//i.test(place.endpoint) ? place.endpoint : `http://${place.endpoint}`;
    const http = HttpClient.open(await import("undici"), {
      ...{ url, memory, maxConnections: mostConnections },
      ...(ca === undefined ? {} : { tls: { ca } }),
    });
    return new StorageClient(http, options);
  }

  /** Where it is, without a path. */
  get home(): Address {
    return this.#http.home;
  }

  /** Resolves to the answer, or rejects with a `BindingError` that says what the server said. */
  async send(request: StorageRequest, signal: AbortSignal): Promise<Answered> {
    const { prepared, login } = await this.#prepare(request, signal);
    const answered = await this.#http.send({ ...prepared, maxBody: Infinity }, signal);
    const { status, headers, body } = answered;
    if (isSuccess(status) || request.also?.includes(status)) return answered;
    throw this.#failure(status, headers["retry-after"], body.toString("utf8"), login);
  }

  /** The same with a body that is read as it comes. */
  async stream(request: StorageRequest, signal: AbortSignal): Promise<Streamed> {
    const { prepared, login } = await this.#prepare(request, signal);
    const streamed = await this.#http.stream({ ...prepared, maxBody: Infinity }, signal);
    const { status, headers, body } = streamed;
    if (isSuccess(status)) return streamed;
    const text = await boundedText(body, largestError).catch(() => "");
    throw this.#failure(status, headers["retry-after"], text, login);
  }

  /** Any answer shows that the server is there; who asks needs no permission for it. */
  async ping(signal: AbortSignal): Promise<void> {
    const address = { ...this.home, path: "/" };
    const headers: RequestHeaders = new Map();
    const request = {
      method: "GET",
      address,
      headers,
      body: undefined,
      origins: new Set<string>(),
    };
    await this.#http.send({ ...request, maxBody: largestError }, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http[Symbol.asyncDispose]();
    await this.identity?.[Symbol.asyncDispose]();
  }

  async #prepare({ method, path, headers = {}, body }: StorageRequest, signal: AbortSignal) {
    const { home } = this;
    const isWhole = /^https?:\/\//i.test(path);
    const address = isWhole ? parseAddress(path) : { ...home, path: joined(home.path, path) };
    // An upload goes on where the server says. Elsewhere nothing is shown.
    if (address.origin !== home.origin) {
      const text = `the server leads to another origin, ${address.origin}`;
      throw new BindingError("failed_precondition", text, { effect: "ambiguous" });
    }
    const login = (await this.identity?.headers(signal)) ?? {};
    const all: RequestHeaders = new Map([["user-agent", userAgent]]);
    // What is stored packed comes unpacked.
    const own = { "accept-encoding": "identity", ...login, ...headers };
    for (const [name, value] of Object.entries(own)) setHeader(all, name, value);
    const origins = new Set<string>();
    const secretHeaders = ["x-goog-user-project"];
    return { prepared: { method, address, headers: all, body, origins, secretHeaders }, login };
  }

  #failure(
    status: number,
    retryAfter: string | string[] | undefined,
    text: string,
    login: Readonly<Record<string, string>>,
  ): BindingError {
    if (status === 401) this.identity?.refused(login);
    const { reason, effect } = failureOfStatus(status);
    return new BindingError(reason, `googleapi: ${messageOf(status, text)}`, {
      ...{ effect, systemCode: String(status), retryAfter: retryAfterOf(retryAfter) },
    });
  }
}

/** As Google's library for Go says it: `Error 404: No such object: b/k, notFound`. */
function messageOf(status: number, text: string): string {
  let said: unknown;
  try {
    said = (JSON.parse(text) as { error?: unknown }).error;
  } catch {
    said = undefined;
  }
  const error = Object(said) as { message?: unknown; errors?: unknown };
  const [first] = Array.isArray(error.errors) ? (error.errors as unknown[]) : [];
  const why = (Object(first) as { reason?: unknown }).reason;
  const message = typeof error.message === "string" ? error.message : "";
  if (message === "") return `got HTTP response code ${status}`;
  const whole = `Error ${status}: ${message}${typeof why === "string" ? `, ${why}` : ""}`;
  return whole.slice(0, longestMessage).toWellFormed() + grantOfJson(said, message);
}

function joined(base: string, path: string): string {
  return `${base.replace(/\/+$/, "")}${path}`;
}
