import type { IncomingHttpHeaders } from "node:http2";
import { tooLarge, type AnswerLimits } from "./answer-room.ts";
import type { CallOptions, Unanswered } from "./client-call.ts";
import { ClientConnection, type ClientConnectionOptions } from "./client-connection.ts";
import { CallFailure, checkStatus, messageFailure } from "./client-status.ts";
import { type GrpcStream, ClientStream } from "./client-stream.ts";
import { type Answer, ClientUnary } from "./client-unary.ts";
import { framePrefixBytes, frameParts, gunzipMessage, gzipMessage } from "./frame.ts";
import { Code, codeName, GrpcFailure } from "./status.ts";
import { formatGrpcTimeout } from "./timeout.ts";
import { whenUnpacking } from "./unpacking.ts";

export { CallFailure } from "./client-status.ts";
export type { GrpcStream } from "./client-stream.ts";

export type GrpcClientOptions = ClientConnectionOptions & {
  readonly userAgent?: string;
  /** What is taken of an answer, packed and unpacked. Default 256 MiB a message. */
  readonly answers?: AnswerLimits;
};

export type GrpcCallOptions = CallOptions & {
  /** Request metadata: names in lower case, values that HTTP/2 can carry, of `-bin` names base64. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>> | undefined;
  /** Packs the request's messages with gzip. Default false. */
  readonly compress?: boolean | undefined;
};

export type GrpcStreamOptions = GrpcCallOptions & {
  /** The largest message that is taken, in bytes. Default: as of an answer. */
  readonly maxMessageBytes?: number;
};

/**
 * - `ok`: the server answered with a message.
 * - `failed`: the server answered with an error.
 * - `unsent`: nothing of the call can have been processed.
 * - `broken`: the call was written, and then the stream broke, the time was up or it was cancelled.
 */
export type UnaryResult =
  | {
      readonly kind: "ok";
      readonly message: Uint8Array;
      readonly headers: IncomingHttpHeaders;
      readonly trailers: IncomingHttpHeaders;
    }
  | {
      readonly kind: "failed";
      /** The gRPC status code. */
      readonly code: number;
      /** Its name: `ABORTED`. */
      readonly status: string;
      readonly message: string;
      /** The failure with its details and metadata. */
      readonly failure: CallFailure;
    }
  | Unanswered;

const defaultAnswers: AnswerLimits = { maxBytes: 256 * 1024 * 1024 };

/** A small gRPC client of one server, over one connection that is made again when lost. */
export class GrpcClient {
  /** Whether there is a connection, and news of it. */
  readonly connection: ClientConnection;
  readonly #fields: readonly string[];
  readonly #userAgent: string;
  readonly #answers: AnswerLimits;

  constructor(options: GrpcClientOptions) {
    this.connection = new ClientConnection(options);
    this.#answers = { ...(options.answers ?? defaultAnswers), framing: framePrefixBytes };
    const { authority, scheme } = this.connection;
    this.#fields = [
      ...[":method", "POST", ":scheme", scheme, ":authority", authority],
      ...["content-type", "application/grpc", "te", "trailers"],
      ...["grpc-accept-encoding", "gzip"],
    ];
    this.#userAgent = options.userAgent ?? "cufflink";
  }

  /** Calls `/package.Service/Method` with an encoded message. Never rejects. */
  async unary(
    path: string,
    message: Uint8Array,
    options: GrpcCallOptions = {},
  ): Promise<UnaryResult> {
    const compress = options.compress === true;
    const sent = compress ? await gzipMessage(message) : message;
    const body = frameParts(sent, compress);
    return new Promise((resolve) => this.#call(path, body, options, resolve));
  }

  /**
   * As {@link unary} without `compress`, for what is called for every event: the message is in its frame, and
   * `done` is called, once, instead of a promise.
   */
  unaryFramed(
    path: string,
    frame: Uint8Array,
    options: GrpcCallOptions,
    done: (result: UnaryResult | Promise<UnaryResult>) => void,
  ): void {
    this.#call(path, [frame], options, done);
  }

  /**
   * Opens a call of `/package.Service/Method` that carries encoded messages both ways. The requests are
   * taken no faster than the server reads them, and their end ends that side; one that is large must not
   * be changed afterwards. Messages are read no faster than they are taken. A source of requests that
   * throws ends the call.
   */
  stream(
    path: string,
    requests: AsyncIterable<Uint8Array>,
    options: GrpcStreamOptions = {},
  ): GrpcStream {
    const { connection } = this;
    const fields = this.#requestFields(path, options);
    const call = new ClientStream(connection, fields, options, requests, {
      compress: options.compress === true,
      limit: options.maxMessageBytes ?? this.#answers.maxBytes,
    });
    connection.carry(call);
    return call;
  }

  /** Ends calls in flight and connects no more. */
  close(): Promise<void> {
    return this.connection.close();
  }

  #call(
    path: string,
    body: readonly Uint8Array[],
    options: GrpcCallOptions,
    done: (result: UnaryResult | Promise<UnaryResult>) => void,
  ): void {
    const { connection } = this;
    const answers = this.#answers;
    const answered = (answer: Answer): void => done(readAnswer(answer, answers));
    const fields = this.#requestFields(path, options);
    connection.carry(new ClientUnary(connection, fields, options, body, answers, answered));
  }

  #requestFields(path: string, { headers, timeout, compress }: GrpcCallOptions): string[] {
    const fields = [...this.#fields, ":path", path];
    if (headers?.["user-agent"] === undefined) fields.push("user-agent", this.#userAgent);
    if (timeout !== undefined) fields.push("grpc-timeout", formatGrpcTimeout(timeout));
    if (compress === true) fields.push("grpc-encoding", "gzip");
    for (const name in headers) {
      const value = headers[name];
      if (typeof value === "string") fields.push(name, value);
      else if (value !== undefined) for (const one of value) fields.push(name, one);
    }
    return fields;
  }
}

function readAnswer(answer: Answer, answers: AnswerLimits): UnaryResult | Promise<UnaryResult> {
  if (answer.kind !== "answered") return answer;
  const { headers, trailers, body } = answer;
  const failure = checkStatus(headers, trailers, body.length > 0) ?? checkBody(body, headers);
  if (failure !== undefined) return failed(failure);
  const message = body.subarray(framePrefixBytes);
  if (body[0] === 0) return { kind: "ok", message, headers, trailers };
  return unpack(message, answer, answers);
}

/** The body must be one message. */
function checkBody(body: Buffer, headers: IncomingHttpHeaders): CallFailure | undefined {
  if (body.length === 0) {
    return new CallFailure("failed", Code.unimplemented, "the answer has no message", { headers });
  }
  const length = body.length < framePrefixBytes ? Infinity : body.readUInt32BE(1);
  if (body.length === framePrefixBytes + length) return undefined;
  const code = body.length > framePrefixBytes + length ? Code.unimplemented : Code.internal;
  return new CallFailure("failed", code, "the answer is not exactly one message", { headers });
}

async function unpack(
  message: Buffer,
  { headers, trailers }: Extract<Answer, { kind: "answered" }>,
  answers: AnswerLimits,
): Promise<UnaryResult> {
  if (headers["grpc-encoding"] !== "gzip") {
    const text = "the answer is compressed, yet no grpc-encoding says how";
    return failed(messageFailure(new GrpcFailure(Code.internal, text), headers));
  }
  try {
    const unpacked = await whenUnpacking(() => gunzipMessage(message, answers.maxBytes));
    return { kind: "ok", message: unpacked, headers, trailers };
  } catch (error) {
    if (!(error instanceof GrpcFailure) || error.code !== Code.resourceExhausted)
      return failed(messageFailure(error, headers));
    // It is this side that refuses it, not the server.
    return { kind: "broken", code: error.code, reason: tooLarge(answers) };
  }
}

function failed(failure: CallFailure): UnaryResult {
  const { code, message } = failure;
  return { kind: "failed", code, status: codeName(code), message, failure };
}
