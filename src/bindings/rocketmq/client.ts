import { createHmac, randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { BindingError } from "../../errors.ts";
import { CallFailure, GrpcClient } from "../../grpc/client.ts";
import { parseEndpoint } from "../../grpc/endpoint.ts";
import type { MemoryShare } from "../../memory/budget.ts";
import { answerStatus, statusCodes } from "./answers.ts";
import { callFailure, statusFailure } from "./failures.ts";
import type { Address } from "./requests.ts";

export type ClientOptions = {
  readonly address: Address;
  readonly secure: boolean;
  readonly ca: string | undefined;
  readonly namespace: string;
  /** `undefined`: the proxy asks for none. */
  readonly credentials:
    | { readonly accessKey: string; readonly secretKey: string; readonly token: string | undefined }
    | undefined;
  readonly memory: MemoryShare;
  readonly hide?: ((secret: string) => void) | undefined;
};

export type CallOptions = {
  /** As `sending to orders`, for the message of a failure. */
  readonly what: string;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds. */
  readonly timeout?: number | undefined;
};

/** A message has 4 MiB at most unless the server was set otherwise, an answer has one. */
const largestAnswer = 64 * 1024 * 1024;
const usualTimeout = 10_000;
const service = "/apache.rocketmq.v2.MessagingService/";

/** One proxy of RocketMQ 5, over one connection. */
export class RocketmqClient implements AsyncDisposable {
  readonly address: Address;
  readonly #options: ClientOptions;
  readonly #grpc: GrpcClient;
  /** By which the server knows a consumer. */
  readonly #id = `${hostname()}@${process.pid}@${randomUUID()}`;
  #signed: { readonly time: string; readonly authorization: string } | undefined;

  constructor(options: ClientOptions) {
    const { address, secure, ca, memory } = options;
    this.address = address;
    this.#options = options;
    this.#grpc = new GrpcClient({
      ...address,
      tls: secure ? { verify: true, ca } : undefined,
      ...{ lazy: true, retryRefused: false },
      answers: { maxBytes: largestAnswer, setting: "64Mi", memory: memory.forAnswers },
    });
  }

  /** Where messages of topics whose brokers have proxies of their own are read from and sent to. */
  at(address: Address): RocketmqClient {
    return new RocketmqClient({ ...this.#options, address });
  }

  /** Any answer shows that the proxy is there. */
  async ping(signal: AbortSignal): Promise<void> {
    const options = { headers: this.#headers(), signal, timeout: usualTimeout };
    const result = await this.#grpc.unary("/grpc.health.v1.Health/Check", new Uint8Array(), {
      ...options,
      waitForConnection: true,
    });
    if (result.kind === "ok" || result.kind === "failed") return;
    const { status, message } = CallFailure.from(result);
    const text = `the proxy ${this.#grpc.connection.name} does not answer: ${message}`;
    throw new BindingError("unavailable", text, { effect: "unsent", systemCode: status });
  }

  /** Calls a method. Its answer may have a status that tells of each part: `isParted`. Throws a `BindingError`. */
  async call(
    method: string,
    message: Uint8Array,
    { what, signal, timeout = usualTimeout }: CallOptions,
    isParted = false,
  ): Promise<Uint8Array> {
    const result = await this.#grpc.unary(`${service}${method}`, message, {
      ...{ headers: this.#headers(), signal, timeout, waitForConnection: true },
    });
    if (result.kind !== "ok") {
      const failure = result.kind === "failed" ? result.failure : CallFailure.from(result);
      throw callFailure(failure, what);
    }
    const status = answerStatus(result.message);
    const isOk = status.code === statusCodes.ok;
    if (!isOk && !(isParted && status.code === statusCodes.multipleResults))
      throw statusFailure(status, what);
    return result.message;
  }

  /** Opens a stream; what its messages throw goes through {@link callFailure}. */
  stream(
    method: string,
    requests: AsyncIterable<Uint8Array>,
    { signal, timeout }: Omit<CallOptions, "what">,
  ): AsyncIterableIterator<Uint8Array, undefined> {
    return this.#grpc.stream(`${service}${method}`, requests, {
      ...{ headers: this.#headers(), signal, timeout, waitForConnection: true },
      maxMessageBytes: largestAnswer,
    }).messages;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#grpc.close();
  }

  #headers(): Record<string, string> {
    const { credentials, namespace } = this.#options;
    const time = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
    return {
      "x-mq-protocol": "v2",
      "x-mq-client-id": this.#id,
      "x-mq-date-time": time,
      "x-mq-request-id": randomUUID(),
      "x-mq-language": "HTTP",
      "x-mq-client-version": "5.0.0",
      ...(namespace ? { "x-mq-namespace": namespace } : {}),
      ...(credentials?.token ? { "x-mq-session-token": credentials.token } : {}),
      ...(credentials ? { authorization: this.#authorization(credentials, time) } : {}),
    };
  }

  /** The same for all requests of a second. */
  #authorization(
    { accessKey, secretKey }: { readonly accessKey: string; readonly secretKey: string },
    time: string,
  ): string {
    if (this.#signed?.time === time) return this.#signed.authorization;
    const signature = signatureOf(secretKey, time);
    this.#options.hide?.(signature);
    const authorization = `MQv2-HMAC-SHA1 Credential=${accessKey}, SignedHeaders=x-mq-date-time, Signature=${signature}`;
    this.#signed = { time, authorization };
    return authorization;
  }
}

/** The signature of a request made at that time, as `20210309T195445Z`. */
export function signatureOf(secretKey: string, time: string): string {
  return createHmac("sha1", secretKey).update(time).digest("hex").toUpperCase();
}

/** The proxy that a component names, of those in the forms `host:port` and `https://host:port`. */
export function addressOf(text: string, withTls: boolean): { address: Address; secure: boolean } {
  const first = text.split(";", 1)[0]?.trim() ?? "";
  const endpoint = parseEndpoint(first, withTls);
  if (
    endpoint === undefined ||
    "socket" in endpoint ||
    endpoint.prefix !== "" ||
    !/:\d+\/?$/.test(first)
  )
    throw new BindingError(
      "invalid_argument",
      "the metadata proxyEndpoint is not of the form host:port or https://host:port",
    );
  return { address: { host: endpoint.host, port: endpoint.port }, secure: endpoint.secure };
}
