import type { DescService } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  createClient,
  type CallOptions,
  type Client,
} from "@connectrpc/connect";
import { BindingError, grpcCodes, type Reason } from "../errors.ts";
import { type Endpoint, endpointForms, formatAddress } from "../grpc/endpoint.ts";
import { tlsRemedy } from "../grpc/tls-remedy.ts";
import { createGrpcTransport, type GrpcTransport } from "../grpc/transport.ts";

export type CallerOptions = {
  readonly endpoint: Endpoint;
  /** PEM. The authorities that are trusted beside nobody else. Default: Node's. */
  readonly ca?: string | undefined;
  /** Takes whatever certificate the runtime shows. */
  readonly insecure?: boolean | undefined;
  /** `DAPR_API_TOKEN`, when the runtime wants one. */
  readonly token: string | undefined;
  /** How long one call may take, in milliseconds. */
  readonly timeout: number;
};

/** One connection to a running runtime. What its calls throw is made a `BindingError` for people. */
export class Caller {
  readonly #transport: GrpcTransport;
  readonly #name: string;
  readonly #headers: Record<string, string> | undefined;
  readonly #timeout: number;

  constructor({ endpoint, ca, insecure = false, token, timeout }: CallerOptions) {
    const { secure, prefix } = endpoint;
    this.#name = formatAddress(endpoint);
    this.#headers = token === undefined ? undefined : { "dapr-api-token": token };
    this.#timeout = timeout;
    const socket = "socket" in endpoint ? endpoint.socket : undefined;
    const authority = socket === undefined ? this.#name : "localhost";
    this.#transport = createGrpcTransport({
      baseUrl: `${secure ? "https" : "http"}://${authority}${prefix}`,
      socket,
      tls: { verify: !insecure, ca },
    });
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
      return new BindingError("unavailable", unreachable(this.#name, error.rawMessage), {
        effect: "unsent",
        cause: thrown,
      });
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

/** What to do when nobody answers, as far as the failure tells. */
function unreachable(name: string, failure: string): string {
  const why = failure.replace(`cannot connect to ${name}: `, "");
  const remedy = tlsRemedy(why) ?? `start one, or say where it is by --address: ${endpointForms}`;
  return `no runtime answers at ${name} (${why}); ${remedy}`;
}
