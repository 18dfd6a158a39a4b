import { messageOf, BindingError } from "../../errors.ts";
import { CallFailure, GrpcClient, type GrpcStream } from "../../grpc/client.ts";
import { formatAddress, parseEndpoint, type Endpoint } from "../../grpc/endpoint.ts";
import { Code } from "../../grpc/status.ts";
import { grantOfStatus } from "../../identity/gcp/denied-permission.ts";
import type { Identity } from "../../identity/gcp/identity.ts";
import type { MemoryShare } from "../../memory/budget.ts";
import { tlsProxyFor } from "../../proxy/rules.ts";
import type { Place } from "./place.ts";
import { failureOf } from "../../grpc-service/failure.ts";

export type CallOptions = {
  /** As `Acknowledge of projects/p/subscriptions/s`, for the message of a failure; empty: the server's words alone. */
  readonly what: string;
  /** What the request is routed by: `topic`, `subscription`. */
  readonly route: readonly [field: string, name: string];
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds. */
  readonly timeout?: number;
  /** The package of the method. Default: `google.pubsub.v1`. */
  readonly package?: string;
};

export type PubsubOptions = {
  readonly place: Place;
  /** `undefined`: none is needed. */
  readonly identity: Identity | undefined;
  readonly caCert?: string | undefined;
  readonly memory: MemoryShare;
};

/** A message has 10 MB at most, one answer several of them. */
const largestAnswer = 64 * 1024 * 1024;
const pingTimeout = 10_000;

/** What to do about a denied call, where the service names the permission. */
export function grantFor({ details, message }: CallFailure): string {
  return grantOfStatus(details, message);
}

/** As Go's gRPC does; to what speaks no TLS, an emulator, there is none. */
function proxyFor(endpoint: Endpoint): string | undefined {
  if ("socket" in endpoint || !endpoint.secure) return undefined;
  return tlsProxyFor(endpoint.host, endpoint.port);
}

/** Google's Pub/Sub, over one connection. */
export class PubsubClient implements AsyncDisposable {
  /** The server, for messages and as part of what a subscription is known by. */
  readonly name: string;
  readonly #client: GrpcClient;
  readonly #identity: Identity | undefined;

  /** Connects to nothing. Throws a `BindingError` for an endpoint that is none. */
  constructor({ place, identity, caCert, memory }: PubsubOptions) {
    const endpoint = parseEndpoint(place.endpoint);
    if (endpoint === undefined)
      throw new BindingError("invalid_argument", `${place.from} is no host:port or URL`);
    this.name = formatAddress(endpoint);
    this.#identity = identity;
    this.#client = new GrpcClient({
      ...endpoint,
      tls: endpoint.secure ? { verify: true, ca: caCert } : undefined,
      proxy: proxyFor(endpoint),
      lazy: true,
      retryRefused: false,
      answers: { maxBytes: largestAnswer, setting: "10 MB", memory: memory.forAnswers },
    });
  }

  /** Any answer shows that the server is there: Google's has no such method. */
  async ping(signal: AbortSignal): Promise<void> {
    const path = "/grpc.health.v1.Health/Check";
    const options = { signal, waitForConnection: true, timeout: pingTimeout };
    const result = await this.#client.unary(path, new Uint8Array(), options);
    const isThere =
      result.kind === "ok" || (result.kind === "failed" && result.code !== Code.unavailable);
    if (isThere) return;
    const why = result.kind === "failed" ? result.failure : CallFailure.from(result);
    throw new BindingError("unavailable", `Pub/Sub at ${this.name}: ${messageOf(why)}`, {
      effect: "unsent",
      systemCode: why.status,
    });
  }

  /** Calls a method. Rejects with a `BindingError` whose cause is the `CallFailure`. */
  async call(method: string, message: Uint8Array, options: CallOptions): Promise<Uint8Array> {
    const { what, route, signal, timeout, package: of = "google.pubsub.v1" } = options;
    const headers = await this.#headers(route, signal);
    const result = await this.#client.unary(`/${of}.${method}`, message, {
      ...{ headers, signal, timeout, waitForConnection: true },
    });
    if (result.kind === "ok") return result.message;
    const failure = result.kind === "failed" ? result.failure : CallFailure.from(result);
    this.#refused(headers, failure);
    throw failureOf(failure, what, grantFor);
  }

  /** Opens a stream; its messages fail with a `CallFailure`. */
  async stream(
    method: string,
    requests: AsyncIterable<Uint8Array>,
    { route, signal }: Pick<CallOptions, "route" | "signal">,
  ): Promise<GrpcStream> {
    const headers = await this.#headers(route, signal);
    const stream = this.#client.stream(`/google.pubsub.v1.${method}`, requests, {
      ...{ headers, signal, waitForConnection: true, maxMessageBytes: largestAnswer },
    });
    stream.headers.catch((error: unknown) => {
      if (error instanceof CallFailure) this.#refused(headers, error);
    });
    return stream;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.close();
    await this.#identity?.[Symbol.asyncDispose]();
  }

  async #headers(
    [field, name]: CallOptions["route"],
    signal: AbortSignal = new AbortController().signal,
  ): Promise<Record<string, string>> {
    const routing = `${field}=${encodeURIComponent(name.toWellFormed())}`;
    const login = await this.#identity?.headers(signal);
    return { ...login, "x-goog-request-params": routing };
  }

  #refused(headers: Readonly<Record<string, string>>, { kind, code }: CallFailure): void {
    if (kind === "failed" && code === Code.unauthenticated) this.#identity?.refused(headers);
  }
}
