import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http2";
import { ClientConnection, type ClientConnectionOptions } from "./client-connection.ts";
import type { ExchangeOptions, ExchangeResult } from "./client-exchange.ts";

export type GrpcClientOptions = ClientConnectionOptions & {
  readonly userAgent?: string;
};

export type UnaryOptions = ExchangeOptions & {
  /** Request metadata: names in lower case, values that HTTP/2 can carry. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
};

/**
 * - `ok`: the server answered with a message.
 * - `failed`: the server answered with an error.
 * - `unsent`: nothing of the call can have been processed.
 * - `broken`: the call was written, and then the stream broke, the time was up or it was cancelled.
 */
export type UnaryResult =
  | { readonly kind: "ok"; readonly message: Uint8Array }
  | {
      readonly kind: "failed";
      /** The gRPC status code. */
      readonly code: number;
      /** Its name: `ABORTED`. */
      readonly status: string;
      readonly message: string;
    }
  | { readonly kind: "unsent"; readonly reason: string }
  | { readonly kind: "broken"; readonly reason: string };

/** A lean gRPC client for unary calls to one server, over one connection that is made again when lost. */
export class GrpcClient {
  /** Whether there is a connection, and news of it. */
  readonly connection: ClientConnection;
  readonly #userAgent: string;

  constructor(options: GrpcClientOptions) {
    this.connection = new ClientConnection(options);
    this.#userAgent = options.userAgent ?? "cufflink";
  }

  /** Calls `/package.Service/Method` with an encoded message. Never rejects. */
  async unary(
    path: string,
    message: Uint8Array,
    { headers, signal, timeout }: UnaryOptions = {},
  ): Promise<UnaryResult> {
    const sent: OutgoingHttpHeaders = {
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      "user-agent": this.#userAgent,
      ...headers,
    };
    if (timeout !== undefined) sent["grpc-timeout"] = grpcTimeout(timeout);
    return readUnary(await this.connection.request(sent, frame(message), { signal, timeout }));
  }

  /** Ends calls in flight and connects no more. */
  close(): Promise<void> {
    return this.connection.close();
  }
}

const statusNames = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
];
const unknown = 2;
const internal = 13;
/** What gRPC makes of an HTTP status, where the answer has no status of its own. */
const codeOfHttpStatus: Readonly<Record<number, number>> = {
  400: internal,
  401: 16,
  403: 7,
  404: 12,
  429: 14,
  502: 14,
  503: 14,
  504: 14,
};
const prefixLength = 5;
/** Above this, copying the message beside its prefix costs more than a second write. */
const copiedUpTo = 64 * 1024;

function frame(message: Uint8Array): Buffer[] {
  const copied = message.length <= copiedUpTo;
  const prefix = Buffer.allocUnsafe(prefixLength + (copied ? message.length : 0));
  prefix[0] = 0;
  prefix.writeUInt32BE(message.length, 1);
  if (copied) {
    prefix.set(message, prefixLength);
    return [prefix];
  }
  return [prefix, Buffer.from(message.buffer, message.byteOffset, message.byteLength)];
}

function readUnary(result: ExchangeResult): UnaryResult {
  if (result.kind !== "answered") return result;
  const { headers, trailers, body } = result;
  const source = trailers["grpc-status"] === undefined ? headers : trailers;
  const status = source["grpc-status"];
  if (status === undefined) return withoutStatus(headers);
  const code = Number(status);
  if (code !== 0) {
    return failed(statusNames[code] === undefined ? unknown : code, decodeMessage(source));
  }
  if (body.length < prefixLength) return failed(internal, "the answer has no message");
  if (body[0] !== 0) return failed(internal, "the answer is compressed, which was not asked for");
  const length = body.readUInt32BE(1);
  if (body.length !== prefixLength + length) {
    return failed(internal, "the answer is not exactly one message");
  }
  return { kind: "ok", message: body.subarray(prefixLength) };
}

function withoutStatus(headers: IncomingHttpHeaders): UnaryResult {
  const status = Number(headers[":status"]);
  const type = headers["content-type"] ?? "no content type";
  const text = `HTTP status ${status} with ${type} and no gRPC status`;
  return failed(codeOfHttpStatus[status] ?? unknown, text);
}

function failed(code: number, message: string): UnaryResult {
  return { kind: "failed", code, status: statusNames[code] ?? "UNKNOWN", message };
}

/** `grpc-message` is UTF-8 with percent-encoding; what is not well-formed stays as it is. */
function decodeMessage(headers: IncomingHttpHeaders): string {
  const text = headers["grpc-message"];
  if (typeof text !== "string") return "";
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** At most eight digits and a unit, as gRPC spells a deadline. */
function grpcTimeout(milliseconds: number): string {
  const whole = Math.max(1, Math.ceil(milliseconds));
  return whole < 1e8 ? `${whole}m` : `${Math.min(Math.ceil(whole / 1000), 99_999_999)}S`;
}
