import { BindingError, messageOf } from "../errors.ts";
import {
  CallFailure,
  GrpcClient,
  type GrpcClientOptions,
  type GrpcStream,
} from "../grpc/client.ts";
import { formatAddress, parseEndpoint, type Endpoint } from "../grpc/endpoint.ts";
import { Code } from "../grpc/status.ts";
import { failureOf } from "./failure.ts";
import type { MessageFields, MessageType, MessageValues } from "./messages.ts";

/** Shows who is asking. */
export type ServiceLogin = {
  /** The request metadata. Rejects with a `BindingError`. */
  headers(signal?: AbortSignal): Promise<Readonly<Record<string, string>>>;
  /** The server has refused these: they are not used again. True: others may help. */
  refused(headers: Readonly<Record<string, string>>): boolean;
};

export type ServiceOptions = Required<Pick<GrpcClientOptions, "answers">> & {
  /** Milliseconds between signs of life while there are calls. Default: none. */
  readonly pingInterval?: number;
  /** The server's name in messages: `Zeebe`. */
  readonly title: string;
  readonly endpoint: Endpoint;
  /** PEM: the authorities to trust in place of the system's. */
  readonly authorities?: string | undefined;
  readonly login?: ServiceLogin | undefined;
  /** As `gateway_protocol.Gateway`. */
  readonly service: string;
};

export type ServiceCall = {
  /** What the message of a failure begins with; empty: the server's words alone. */
  readonly what: string;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds. */
  readonly timeout?: number | undefined;
};

/** A method with its messages. */
export type Method<In extends MessageFields, Out extends MessageFields> = {
  readonly name: string;
  readonly request: MessageType<In>;
  readonly response: MessageType<Out>;
};

const pingTimeout = 10_000;
const anyPort = /:\d+\/?(\?.*)?$/;

/**
 * Reads an address with its port. `field`: its name. Throws a `BindingError`. Without a port only `https://` has one
 * that is usual.
 */
export function endpointOf(field: string, address: string, withTls: boolean): Endpoint {
  const endpoint = parseEndpoint(address, withTls);
  const isPortless = endpoint !== undefined && "port" in endpoint && !anyPort.test(address);
  const hasUsualPort = /^(https|grpcs):/.test(address);
  if (endpoint === undefined || endpoint.prefix !== "" || (isPortless && !hasUsualPort))
    throw new BindingError(
      "invalid_argument",
      `the metadata ${field} is not of the form host:port`,
    );
  return endpoint;
}

/** A gRPC service of one server, over one connection. */
export class GrpcService implements AsyncDisposable {
  /** The server: `host:port`. */
  readonly name: string;
  readonly #options: ServiceOptions;
  readonly #client: GrpcClient;

  /** Connects to nothing. */
  constructor(options: ServiceOptions) {
    const { endpoint, authorities, answers, pingInterval } = options;
    this.#options = options;
    this.name = formatAddress(endpoint);
    this.#client = new GrpcClient({
      ...endpoint,
      tls: endpoint.secure ? { verify: true, ca: authorities } : undefined,
      lazy: true,
      retryRefused: false,
      ...{ answers, pingInterval, pingsInCallsOnly: true },
    });
  }

  /** Any answer shows that the server is there, that it has no such method too. */
  async ping(signal: AbortSignal): Promise<void> {
    const path = "/grpc.health.v1.Health/Check";
    const options = { signal, waitForConnection: true, timeout: pingTimeout };
    const result = await this.#client.unary(path, new Uint8Array(), options);
    if (result.kind === "ok") return;
    if (result.kind === "failed" && result.code !== Code.unavailable) return;
    const why = result.kind === "failed" ? result.failure : CallFailure.from(result);
    const text = `${this.#options.title} at ${this.name}: ${messageOf(why)}`;
    throw new BindingError("unavailable", text, { effect: "unsent", systemCode: why.status });
  }

  /** Rejects with a `BindingError` whose cause is the `CallFailure`. */
  async call<In extends MessageFields, Out extends MessageFields>(
    method: Method<In, Out>,
    values: Partial<MessageValues<In>>,
    call: ServiceCall,
  ): Promise<MessageValues<Out>> {
    const sent = method.request.encode(values);
    for (let repeated = false; ; repeated = true) {
      const headers = await this.#headers(call.signal);
      const result = await this.#client.unary(this.#path(method), sent, {
        ...{ headers, signal: call.signal, timeout: call.timeout, waitForConnection: true },
      });
      if (result.kind === "ok") return read(method.response, result.message, call.what);
      const failure = result.kind === "failed" ? result.failure : CallFailure.from(result);
      // One that is not known has done nothing.
      if (this.#isRefused(headers, failure) && !repeated) continue;
      throw failureOf(failure, call.what);
    }
  }

  /** The messages of a stream; they fail with a `BindingError` as those of {@link call}. */
  async *answers<In extends MessageFields, Out extends MessageFields>(
    method: Method<In, Out>,
    values: Partial<MessageValues<In>>,
    call: ServiceCall,
  ): AsyncGenerator<MessageValues<Out>> {
    const sent = method.request.encode(values);
    for (let repeated = false; ; repeated = true) {
      const headers = await this.#headers(call.signal);
      const stream = this.#stream(method, only(sent), headers, call);
      try {
        for await (const bytes of stream.messages) yield read(method.response, bytes, call.what);
        return;
      } catch (error) {
        if (error instanceof CallFailure && this.#isRefused(headers, error) && !repeated) continue;
        throw failureOf(error, call.what);
      }
    }
  }

  /** A stream both ways; its messages fail with a `CallFailure`. */
  async open<In extends MessageFields, Out extends MessageFields>(
    method: Method<In, Out>,
    requests: AsyncIterable<Uint8Array>,
    call: ServiceCall,
  ): Promise<GrpcStream> {
    const headers = await this.#headers(call.signal);
    const stream = this.#stream(method, requests, headers, call);
    stream.headers.catch((error: unknown) => {
      if (error instanceof CallFailure) this.#isRefused(headers, error);
    });
    return stream;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.close();
  }

  #stream(
    method: { readonly name: string },
    requests: AsyncIterable<Uint8Array>,
    headers: Readonly<Record<string, string>>,
    { signal, timeout }: ServiceCall,
  ): GrpcStream {
    return this.#client.stream(this.#path(method), requests, {
      ...{ headers, signal, timeout, waitForConnection: true },
      maxMessageBytes: this.#options.answers.maxBytes,
    });
  }

  #path({ name }: { readonly name: string }): string {
    return `/${this.#options.service}/${name}`;
  }

  async #headers(signal: AbortSignal | undefined): Promise<Readonly<Record<string, string>>> {
    return (await this.#options.login?.headers(signal)) ?? {};
  }

  #isRefused(headers: Readonly<Record<string, string>>, { kind, code }: CallFailure): boolean {
    const { login } = this.#options;
    if (login === undefined || kind !== "failed" || code !== Code.unauthenticated) return false;
    return login.refused(headers);
  }
}

function read<Fields extends MessageFields>(
  type: MessageType<Fields>,
  bytes: Uint8Array,
  what: string,
): MessageValues<Fields> {
  try {
    return type.decode(bytes);
  } catch (error) {
    const text = `${what === "" ? "" : `${what}: `}the answer cannot be read: ${messageOf(error)}`;
    throw new BindingError("internal", text, { effect: "ambiguous", cause: error });
  }
}

async function* only(message: Uint8Array): AsyncGenerator<Uint8Array> {
  yield message;
}
