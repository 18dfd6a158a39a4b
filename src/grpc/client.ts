import type { HeaderBlock, HeaderRecord } from "../http2/header-block.ts";
import { tooLarge, type AnswerLimits } from "./answer-room.ts";
import type { CallOptions, Carrier, Unanswered } from "./client-call.ts";
import { ClientConnection, type ClientConnectionOptions } from "./client-connection.ts";
import { CallFailure, checkStatus, messageFailure, recordOf } from "./client-status.ts";
import { type GrpcStream, ClientStream } from "./client-stream.ts";
import { ClientUnary } from "./client-unary.ts";
import {
  encodeFrame,
  framePrefixBytes,
  gunzipMessage,
  gzipMessage,
  writeFramePrefix,
} from "./frame.ts";
import { Code, codeName, GrpcFailure } from "./status.ts";
import { formatGrpcTimeout } from "./timeout.ts";
import { whenUnpacking } from "./unpacking.ts";

export { CallFailure } from "./client-status.ts";
export type { GrpcStream } from "./client-stream.ts";
export type { HeaderRecord } from "../http2/header-block.ts";

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
      readonly headers: HeaderRecord;
      readonly trailers: HeaderRecord;
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

/** Told the end of a call. */
export type UnaryDone = (result: UnaryResult | Promise<UnaryResult>) => void;

const defaultAnswers: AnswerLimits = { maxBytes: 256 * 1024 * 1024 };
/** Above this, copying a message beside its prefix costs more than a frame of its own. */
const copiedUpTo = 64 * 1024;
/** So many methods have their fields kept ready. */
const mostMethods = 256;

/** A small gRPC client of one server, over one connection that is made again when lost. */
export class GrpcClient {
  /** Whether there is a connection, and news of it. */
  readonly connection: ClientConnection;
  /** What each call of a method has in common, by its path. */
  readonly #methods = new Map<string, readonly string[]>();
  readonly #userAgent: string;
  readonly #answers: AnswerLimits;

  constructor(options: GrpcClientOptions) {
    this.connection = new ClientConnection(options);
    this.#answers = { ...(options.answers ?? defaultAnswers), framing: framePrefixBytes };
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
    return new Promise((resolve) => {
      if (sent.length <= copiedUpTo) {
        this.#call(path, options, resolve, encodeFrame(sent, compress));
        return;
      }
      // It must not change before it is sent.
      const prefix = Buffer.alloc(framePrefixBytes);
      writeFramePrefix(prefix, sent.length, compress);
      this.#call(path, options, resolve, sent, prefix);
    });
  }

  /**
   * As {@link unary} without `compress`, for what is called for every event: the message is in its frame, and
   * `done` is called, once, instead of a promise.
   */
  unaryFramed(path: string, frame: Uint8Array, options: GrpcCallOptions, done: UnaryDone): void {
    this.#call(path, options, done, frame);
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
    return call.handle;
  }

  /** Ends calls in flight and connects no more. */
  close(): Promise<void> {
    return this.connection.close();
  }

  #call(
    path: string,
    options: GrpcCallOptions,
    done: UnaryDone,
    body: Uint8Array,
    prefix?: Uint8Array,
  ): void {
    const { connection } = this;
    const fields = this.#requestFields(path, options);
    connection.carry(new GrpcUnary(connection, fields, options, this.#answers, done, body, prefix));
  }

  #requestFields(path: string, { headers, timeout, compress }: GrpcCallOptions): readonly string[] {
    const common = this.#methods.get(path) ?? this.#methodFields(path);
    if (headers === undefined && timeout === undefined && compress !== true) return common;
    const fields = common.slice();
    if (timeout !== undefined) fields.push("grpc-timeout", formatGrpcTimeout(timeout));
    if (compress === true) fields.push("grpc-encoding", "gzip");
    for (const name in headers) {
      const value = headers[name];
      if (name === "user-agent") fields.splice(fields.indexOf(name), 2);
      if (typeof value === "string") fields.push(name, value);
      else if (value !== undefined) for (const one of value) fields.push(name, one);
    }
    return fields;
  }

  #methodFields(path: string): readonly string[] {
    const { authority, scheme } = this.connection;
    const fields = [
      ...[":method", "POST", ":scheme", scheme, ":authority", authority, ":path", path],
      ...["content-type", "application/grpc", "te", "trailers", "grpc-accept-encoding", "gzip"],
      ...["user-agent", this.#userAgent],
    ];
    if (this.#methods.size >= mostMethods) this.#methods.clear();
    this.#methods.set(path, fields);
    return fields;
  }
}

/** A unary call, which makes of the answer what the caller is told. */
class GrpcUnary extends ClientUnary {
  readonly #done: UnaryDone;

  constructor(
    carrier: Carrier,
    fields: readonly string[],
    options: CallOptions,
    limits: AnswerLimits,
    done: UnaryDone,
    body: Uint8Array,
    prefix: Uint8Array | undefined,
  ) {
    super(carrier, fields, options, limits, body, prefix);
    this.#done = done;
  }

  protected taken(body: Buffer, trailers: HeaderBlock | undefined): void {
    const { head } = this;
    if (head !== undefined) this.#done(readAnswer(head, trailers, body, this.limits));
  }

  protected untaken(end: Unanswered): void {
    this.#done(end);
  }
}

/** The headers are looked at by few. */
class UnaryAnswer {
  readonly kind = "ok";
  readonly message: Uint8Array;
  readonly #head: HeaderBlock;
  readonly #trailers: HeaderBlock | undefined;

  constructor(message: Uint8Array, head: HeaderBlock, trailers: HeaderBlock | undefined) {
    this.message = message;
    this.#head = head;
    this.#trailers = trailers;
  }

  get headers(): HeaderRecord {
    return this.#head.record;
  }

  get trailers(): HeaderRecord {
    return recordOf(this.#trailers);
  }
}

function readAnswer(
  head: HeaderBlock,
  trailers: HeaderBlock | undefined,
  body: Buffer,
  answers: AnswerLimits,
): UnaryResult | Promise<UnaryResult> {
  const failure = checkStatus(head, trailers, body.length > 0) ?? checkBody(body, head);
  if (failure !== undefined) return failed(failure);
  const message = body.subarray(framePrefixBytes);
  if (body[0] === 0) return new UnaryAnswer(message, head, trailers);
  return unpack(message, head, trailers, answers);
}

/** The body must be one message. */
function checkBody(body: Buffer, headers: HeaderBlock): CallFailure | undefined {
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
  head: HeaderBlock,
  trailers: HeaderBlock | undefined,
  answers: AnswerLimits,
): Promise<UnaryResult> {
  if (head.get("grpc-encoding") !== "gzip") {
    const text = "the answer is compressed, yet no grpc-encoding says how";
    return failed(messageFailure(new GrpcFailure(Code.internal, text), head));
  }
  try {
    const unpacked = await whenUnpacking(() => gunzipMessage(message, answers.maxBytes));
    return new UnaryAnswer(unpacked, head, trailers);
  } catch (error) {
    if (!(error instanceof GrpcFailure) || error.code !== Code.resourceExhausted)
      return failed(messageFailure(error, head));
    // It is this side that refuses it, not the server.
    return { kind: "broken", code: error.code, reason: tooLarge(answers) };
  }
}

function failed(failure: CallFailure): UnaryResult {
  const { code, message } = failure;
  return { kind: "failed", code, status: codeName(code), message, failure };
}
