import {
  create,
  type DescMessage,
  type DescMethodStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ContextValues,
  createContextValues,
  type Interceptor,
  type StreamRequest,
  type StreamResponse,
  type Transport,
  type UnaryRequest,
  type UnaryResponse,
} from "@connectrpc/connect";
import type { ClientTls } from "./client-socket.ts";
import { GrpcClient, type GrpcStream } from "./client.ts";
import {
  fromHeadersInit,
  type HeadersInput,
  toConnectError,
  toHeaders,
} from "./transport-metadata.ts";
import { longestTimer } from "./timeout.ts";

export type GrpcTransportOptions = {
  /** `http://127.0.0.1:50001`; a path in it stands before each method's. */
  readonly baseUrl: string;
  /** The path of the Unix socket on which the server listens, whatever `baseUrl` names. */
  readonly socket?: string | undefined;
  /** As with Connect: the last one is the innermost. */
  readonly interceptors?: readonly Interceptor[];
  /** Milliseconds, for calls that say none. Default: none. */
  readonly defaultTimeoutMs?: number | undefined;
  /** Packs requests with gzip. Default false; answers may be packed in any case. */
  readonly compress?: boolean;
  /** The largest message that is taken, in bytes, unpacked. Default 256 MiB. */
  readonly readMaxBytes?: number | undefined;
  /** For `https`. Default: Node's authorities are trusted, and no certificate is shown. */
  readonly tls?: ClientTls;
};

/** A Connect transport for gRPC, which holds one connection that is made at the first call. */
export type GrpcTransport = Transport & AsyncDisposable & { close(): Promise<void> };

/** Makes a transport for the clients of Connect. Its calls reject with a `ConnectError`. */
export function createGrpcTransport(options: GrpcTransportOptions): GrpcTransport {
  return new NativeGrpcTransport(options);
}

type Options = {
  readonly header: Record<string, string | string[]> | undefined;
  readonly signal: AbortSignal | undefined;
  readonly timeout: number | undefined;
};

class NativeGrpcTransport implements GrpcTransport {
  readonly #client: GrpcClient;
  readonly #options: GrpcTransportOptions;
  readonly #prefix: string;

  constructor(options: GrpcTransportOptions) {
    this.#options = options;
    const { protocol, hostname, port, pathname } = new URL(options.baseUrl);
    const secure = protocol === "https:";
    this.#prefix = pathname.replace(/\/+$/, "");
    const { socket } = options;
    const tcp = {
      host: hostname.replace(/^\[|\]$/g, ""),
      port: port === "" ? (secure ? 443 : 80) : Number(port),
    };
    this.#client = new GrpcClient({
      ...(socket === undefined ? tcp : { socket }),
      tls: secure ? (options.tls ?? { verify: true }) : undefined,
      lazy: true,
      ...(options.readMaxBytes !== undefined && { answers: { maxBytes: options.readMaxBytes } }),
    });
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInput,
    input: MessageInitShape<I>,
    contextValues?: ContextValues,
  ): Promise<UnaryResponse<I, O>> {
    const message = create(method.input, input);
    const timeout = this.#timeout(timeoutMs);
    const { interceptors = [] } = this.#options;
    if (interceptors.length === 0) {
      return this.#unary(method, message, { header: fromHeadersInit(header), signal, timeout });
    }
    const deadline =
      timeout === undefined ? undefined : AbortSignal.timeout(Math.min(timeout, longestTimer));
    const request: UnaryRequest<I, O> = {
      stream: false,
      method,
      message,
      ...this.#common(method, header, signal, deadline, contextValues),
    };
    const call = intercept(interceptors, (last) => {
      const { header: sent, signal: given, ...rest } = last as UnaryRequest<I, O>;
      const options = { header: fromHeadersInit(sent), signal: given, timeout };
      return failingAt(deadline, this.#unary(rest.method, rest.message, options));
    });
    return (await call(request)) as UnaryResponse<I, O>;
  }

  async stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodStreaming<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInput,
    input: AsyncIterable<MessageInitShape<I>>,
    contextValues?: ContextValues,
  ): Promise<StreamResponse<I, O>> {
    const timeout = this.#timeout(timeoutMs);
    const { interceptors = [] } = this.#options;
    if (interceptors.length === 0) {
      return this.#stream(method, input, { header: fromHeadersInit(header), signal, timeout });
    }
    const deadline =
      timeout === undefined ? undefined : AbortSignal.timeout(Math.min(timeout, longestTimer));
    const request: StreamRequest<I, O> = {
      stream: true,
      method,
      message: mapped(input, (one) => create(method.input, one)),
      ...this.#common(method, header, signal, deadline, contextValues),
    };
    const call = intercept(interceptors, (last) => {
      const { header: sent, signal: given, ...rest } = last as StreamRequest<I, O>;
      const options = { header: fromHeadersInit(sent), signal: given, timeout };
      return failingAt(deadline, this.#stream(rest.method, rest.message, options));
    });
    return (await call(request)) as StreamResponse<I, O>;
  }

  async #unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    message: MessageShape<I>,
    { header, signal, timeout }: Options,
  ): Promise<UnaryResponse<I, O>> {
    const result = await this.#client.unary(this.#path(method), encode(method.input, message), {
      headers: header,
      signal,
      timeout,
      compress: this.#options.compress,
      waitForConnection: true,
    });
    if (result.kind !== "ok") {
      throw toConnectError(result.kind === "failed" ? result.failure : result, signal);
    }
    const { headers, trailers } = result;
    let ownHeader: Headers | undefined;
    let ownTrailer: Headers | undefined;
    return {
      stream: false,
      service: method.parent,
      method,
      message: decode(method.output, result.message),
      // Few callers look at them, and making them costs as much as all the rest.
      get header() {
        return (ownHeader ??= toHeaders(headers));
      },
      get trailer() {
        return (ownTrailer ??= toHeaders(trailers));
      },
    };
  }

  async #stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodStreaming<I, O>,
    input: AsyncIterable<MessageInitShape<I>>,
    { header, signal, timeout }: Options,
  ): Promise<StreamResponse<I, O>> {
    const requests = mapped(input, (one) => encode(method.input, create(method.input, one)));
    const call = this.#client.stream(this.#path(method), requests, {
      headers: header,
      signal,
      timeout,
      compress: this.#options.compress,
      waitForConnection: true,
    });
    const trailer = new Headers();
    try {
      return {
        stream: true,
        service: method.parent,
        method,
        header: toHeaders(await call.headers),
        trailer,
        message: received(call, method.output, trailer, signal),
      };
    } catch (error) {
      throw toConnectError(error, signal);
    }
  }

  #common(
    method: DescMethodUnary | DescMethodStreaming,
    header: HeadersInput,
    signal: AbortSignal | undefined,
    deadline: AbortSignal | undefined,
    contextValues: ContextValues | undefined,
  ): Pick<
    UnaryRequest,
    "service" | "requestMethod" | "url" | "header" | "contextValues" | "signal"
  > {
    const signals = [signal, deadline].filter((one) => one !== undefined);
    return {
      service: method.parent,
      requestMethod: "POST",
      url: new URL(this.#path(method), this.#options.baseUrl).href,
      header: new Headers(header),
      contextValues: contextValues ?? createContextValues(),
      signal: AbortSignal.any(signals),
    };
  }

  #path(method: DescMethodUnary | DescMethodStreaming): string {
    return `${this.#prefix}/${method.parent.typeName}/${method.name}`;
  }

  #timeout(timeoutMs: number | undefined): number | undefined {
    if (timeoutMs === undefined) return this.#options.defaultTimeoutMs;
    return timeoutMs <= 0 ? undefined : timeoutMs;
  }
}

type Handler = ReturnType<Interceptor>;

function intercept(interceptors: readonly Interceptor[], innermost: Handler): Handler {
  return interceptors.reduceRight((next, interceptor) => interceptor(next), innermost);
}

/** A call that the deadline's signal ended has failed of the deadline, not of a cancellation. */
async function failingAt<T>(deadline: AbortSignal | undefined, call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (deadline?.aborted === true && ConnectError.from(error).code === Code.Canceled) {
      throw new ConnectError("the deadline has passed", Code.DeadlineExceeded);
    }
    throw error;
  }
}

function encode<D extends DescMessage>(schema: D, message: MessageShape<D>): Uint8Array {
  try {
    return toBinary(schema, message);
  } catch (error) {
    throw ConnectError.from(error, Code.Internal);
  }
}

function decode<D extends DescMessage>(schema: D, bytes: Uint8Array): MessageShape<D> {
  try {
    return fromBinary(schema, bytes);
  } catch (error) {
    throw ConnectError.from(error, Code.Internal);
  }
}

function mapped<From, To>(source: AsyncIterable<From>, map: (item: From) => To): AsyncIterable<To> {
  return {
    [Symbol.asyncIterator]() {
      const iterator = source[Symbol.asyncIterator]();
      const step = (result: IteratorResult<From>): IteratorResult<To> =>
        result.done === true ? result : { done: false, value: map(result.value) };
      return {
        next: () => iterator.next().then(step),
        async return() {
          await iterator.return?.();
          return { done: true, value: undefined };
        },
      };
    },
  };
}

/** The messages of a call; its trailers are put into `trailer` before the end is told. */
function received<O extends DescMessage>(
  call: GrpcStream,
  schema: O,
  trailer: Headers,
  signal: AbortSignal | undefined,
): AsyncIterable<MessageShape<O>> {
  const { messages } = call;
  const step = (
    result: IteratorResult<Uint8Array, undefined>,
  ): IteratorResult<MessageShape<O>, undefined> => {
    if (result.done !== true) return { done: false, value: decode(schema, result.value) };
    for (const [name, value] of toHeaders(call.trailers)) trailer.append(name, value);
    return result;
  };
  const fail = (error: unknown): never => {
    throw toConnectError(error, signal);
  };
  return {
    [Symbol.asyncIterator]: () => ({
      next: () => messages.next().then(step).catch(fail),
      return: async () => {
        await messages.return?.();
        return { done: true, value: undefined };
      },
    }),
  };
}
