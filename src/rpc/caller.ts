import type { DescService } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  createClient,
  type CallOptions,
  type Client,
} from "@connectrpc/connect";
import { BindingError, grpcCodes, type Reason } from "../errors.ts";
import { createGrpcTransport, type GrpcTransport } from "../grpc/transport.ts";

export type CallerOptions = {
  /** `http://127.0.0.1:50001`. */
  readonly url: string;
  /** `DAPR_API_TOKEN`, when the runtime wants one. */
  readonly token: string | undefined;
  /** How long one call may take, in milliseconds. */
  readonly timeout: number;
};

/** One connection to a running runtime. What its calls throw is made a `BindingError` for people. */
export class Caller {
  readonly #transport: GrpcTransport;
  readonly #url: string;
  readonly #headers: Record<string, string> | undefined;
  readonly #timeout: number;

  constructor({ url, token, timeout }: CallerOptions) {
    this.#url = url;
    this.#headers = token === undefined ? undefined : { "dapr-api-token": token };
    this.#timeout = timeout;
    this.#transport = createGrpcTransport({ baseUrl: url });
  }

  /** A client of one service. */
  client<Service extends DescService>(service: Service): Client<Service> {
    return createClient(service, this.#transport);
  }

  /** One call; `timeout` where it is not that of every call. */
  async call<Answer>(
    call: (options: CallOptions) => Promise<Answer>,
    timeout = this.#timeout,
  ): Promise<Answer> {
    try {
      return await call(this.#options(timeout));
    } catch (error) {
      throw this.#shown(error);
    }
  }

  /** A call whose answer comes in parts, for as long as that takes. It ends quietly when the signal aborts. */
  async *stream<Answer>(
    call: (options: CallOptions) => AsyncIterable<Answer>,
    signal: AbortSignal,
  ): AsyncGenerator<Answer> {
    try {
      yield* call({ ...this.#options(undefined), signal });
    } catch (error) {
      if (!signal.aborted) throw this.#shown(error);
    }
  }

  close(): void {
    void this.#transport.close();
  }

  #options(timeoutMs: number | undefined): CallOptions {
    const headers = this.#headers;
    return { ...(timeoutMs !== undefined && { timeoutMs }), ...(headers && { headers }) };
  }

  #shown(thrown: unknown): BindingError {
    const error = ConnectError.from(thrown);
    // An answer has headers: then a runtime is there, and says itself what is not.
    if (error.code === Code.Unavailable && !error.metadata.has("content-type")) {
      return new BindingError(
        "unavailable",
        `no runtime answers at ${this.#url} (${error.rawMessage}); start one, or say --address host:port of its gRPC or HTTP port`,
        { effect: "unsent", cause: thrown },
      );
    }
    const hint =
      error.code === Code.Unauthenticated
        ? "; put the runtime's DAPR_API_TOKEN into the environment"
        : "";
    return new BindingError(reasons.get(error.code) ?? "internal", error.rawMessage + hint, {
      ...(error.code === Code.Unavailable && { effect: "ambiguous" }),
      cause: thrown,
    });
  }
}

const reasons: ReadonlyMap<number, Reason> = new Map(
  Object.entries(grpcCodes).map(([reason, code]) => [code, reason as Reason]),
);
