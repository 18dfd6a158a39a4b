import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http2";
import { ClientConnection, type ClientConnectionOptions } from "./client-connection.ts";
import type { ExchangeOptions, ExchangeResult } from "./client-exchange.ts";
import { encodeFrame, framePrefixBytes } from "./frame.ts";
import { Code, codeFromHttpStatus, codeName, decodeGrpcMessage } from "./status.ts";
import { formatGrpcTimeout } from "./timeout.ts";

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
    if (timeout !== undefined) sent["grpc-timeout"] = formatGrpcTimeout(timeout);
    return readUnary(await this.connection.request(sent, frame(message), { signal, timeout }));
  }

  /** Ends calls in flight and connects no more. */
  close(): Promise<void> {
    return this.connection.close();
  }
}

/** Above this, copying the message beside its prefix costs more than a second write. */
const copiedUpTo = 64 * 1024;

function frame(message: Uint8Array): Buffer[] {
  if (message.length <= copiedUpTo) return [encodeFrame(message)];
  const prefix = Buffer.alloc(framePrefixBytes);
  prefix.writeUInt32BE(message.length, 1);
  return [prefix, Buffer.from(message.buffer, message.byteOffset, message.byteLength)];
}

function readUnary(result: ExchangeResult): UnaryResult {
  if (result.kind !== "answered") return result;
  const { headers, trailers, body } = result;
  const source = trailers["grpc-status"] === undefined ? headers : trailers;
  const status = source["grpc-status"];
  if (status === undefined) return withoutStatus(headers);
  const code = Number(status);
  if (code !== Code.ok)
    return failed(Number.isInteger(code) ? code : Code.unknown, messageOf(source));
  if (body.length < framePrefixBytes) return failed(Code.internal, "the answer has no message");
  if (body[0] !== 0) {
    return failed(Code.internal, "the answer is compressed, which was not asked for");
  }
  if (body.length !== framePrefixBytes + body.readUInt32BE(1)) {
    return failed(Code.internal, "the answer is not exactly one message");
  }
  return { kind: "ok", message: body.subarray(framePrefixBytes) };
}

function withoutStatus(headers: IncomingHttpHeaders): UnaryResult {
  const status = Number(headers[":status"]);
  const type = headers["content-type"] ?? "no content type";
  return failed(
    codeFromHttpStatus(status),
    `HTTP status ${status} with ${type} and no gRPC status`,
  );
}

function failed(code: number, message: string): UnaryResult {
  return { kind: "failed", code, status: codeName(code), message };
}

function messageOf(headers: IncomingHttpHeaders): string {
  const text = headers["grpc-message"];
  return typeof text === "string" ? decodeGrpcMessage(text) : "";
}
