import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { encodeFrame, framePrefixBytes, gunzipMessage } from "./frame.ts";
import {
  Code,
  encodeBinaryHeader,
  encodeGrpcMessage,
  GrpcFailure,
  type ResponseHeaders,
} from "./status.ts";
import { longestTimer, parseGrpcTimeout } from "./timeout.ts";

/** What a method is told about its call. */
export type CallContext = {
  /** Request metadata as HTTP/2 carried it. */
  readonly headers: IncomingHttpHeaders;
  /** Aborted when the caller gave up or its deadline passed. Made when it is first asked for. */
  readonly signal: AbortSignal;
};

export type UnaryAnswer = {
  readonly message: Uint8Array;
  readonly headers?: ResponseHeaders | undefined;
};

/** A unary method on encoded messages. What it throws should be a {@link GrpcFailure}; else it is UNKNOWN. */
export type UnaryMethod = (message: Uint8Array, context: CallContext) => Promise<UnaryAnswer>;

export type UnaryServerOptions = {
  /** The largest request message, in bytes. */
  readonly maxMessageSize: number;
  /**
   * How many bytes of unfinished requests may be in memory before new calls are answered UNAVAILABLE, since
   * HTTP/2 bounds them by stream and connection alone. Default 256 MiB.
   */
  readonly maxHeldBytes?: number;
  /** Called first; throws a {@link GrpcFailure} to refuse the call. */
  readonly admit: (headers: IncomingHttpHeaders) => void;
};

const head = { ":status": 200, "content-type": "application/grpc" } as const;
// Names and values in turn, which Node sends as they are: gRPC needs no date.
const plainHead = [":status", "200", "content-type", "application/grpc"];
const trailersFollow = { waitForTrailers: true, sendDate: false } as const;

/** Serves unary gRPC calls straight on HTTP/2 streams. */
export class UnaryServer {
  readonly #methods: ReadonlyMap<string, UnaryMethod>;
  readonly #options: UnaryServerOptions;
  readonly #held: Held = { bytes: 0 };

  constructor(methods: ReadonlyMap<string, UnaryMethod>, options: UnaryServerOptions) {
    this.#methods = methods;
    this.#options = options;
  }

  /** Takes the stream when it calls one of the methods by gRPC's binary protocol. False: it is somebody else's. */
  handle(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): boolean {
    const method = this.#methods.get(headers[":path"] ?? "");
    if (method === undefined || headers[":method"] !== "POST") return false;
    const type = headers["content-type"];
    if (type !== "application/grpc" && type !== "application/grpc+proto") return false;
    new UnaryCall(stream, headers, method, this.#options, this.#held).start();
    return true;
  }
}

/** Bytes of unfinished requests, of all calls together. */
type Held = { bytes: number };

const defaultMaxHeldBytes = 256 * 1024 * 1024;

class UnaryCall implements CallContext {
  readonly headers: IncomingHttpHeaders;
  readonly #stream: ServerHttp2Stream;
  readonly #method: UnaryMethod;
  readonly #options: UnaryServerOptions;
  readonly #held: Held;
  #first: Buffer | undefined;
  #chunks: Buffer[] | undefined;
  #received = 0;
  #abort: AbortController | undefined;
  #over = false;
  #deadline: NodeJS.Timeout | undefined;

  constructor(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    method: UnaryMethod,
    options: UnaryServerOptions,
    held: Held,
  ) {
    this.#stream = stream;
    this.headers = headers;
    this.#method = method;
    this.#options = options;
    this.#held = held;
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#over) this.#abort.abort();
    return this.#abort.signal;
  }

  start(): void {
    const stream = this.#stream;
    // An error of the stream is the caller's going away; `close` follows and says so.
    stream.on("error", ignore);
    stream.on("close", () => this.#end());
    try {
      const { admit, maxHeldBytes = defaultMaxHeldBytes } = this.#options;
      if (this.#held.bytes > maxHeldBytes) {
        const text = `the server holds ${this.#held.bytes} bytes of unfinished requests; try again`;
        throw new GrpcFailure(Code.unavailable, text);
      }
      admit(this.headers);
      this.#startTimer();
    } catch (error) {
      stream.resume();
      return this.#fail(error);
    }
    stream.on("data", (chunk: Buffer) => this.#receive(chunk));
    stream.on("end", () => void this.#run());
  }

  #startTimer(): void {
    const header = this.headers["grpc-timeout"];
    if (header === undefined) return;
    const timeout = parseGrpcTimeout(String(header));
    if (timeout === undefined) {
      throw new GrpcFailure(Code.invalidArgument, `malformed grpc-timeout: ${String(header)}`);
    }
    if (timeout <= longestTimer) this.#deadline = setTimeout(() => this.#expire(), timeout);
  }

  #receive(chunk: Buffer): void {
    if (this.#over) return;
    this.#received += chunk.length;
    this.#held.bytes += chunk.length;
    const limit = this.#options.maxMessageSize;
    if (this.#received > limit + framePrefixBytes) {
      const announced =
        this.#first !== undefined && this.#first.length >= framePrefixBytes
          ? this.#first.readUInt32BE(1)
          : 0;
      const size = Math.max(announced, this.#received - framePrefixBytes);
      this.#fail(
        new GrpcFailure(
          Code.resourceExhausted,
          `grpc: received message larger than max (${size} vs. ${limit})`,
        ),
      );
      return;
    }
    if (this.#first === undefined) this.#first = chunk;
    else if (this.#chunks === undefined) this.#chunks = [this.#first, chunk];
    else this.#chunks.push(chunk);
  }

  async #run(): Promise<void> {
    if (this.#over) return;
    try {
      const message = await this.#message();
      const { message: answer, headers } = await this.#method(message, this);
      if (!this.#over) this.#answer(answer, headers);
    } catch (error) {
      this.#fail(error);
    }
  }

  async #message(): Promise<Uint8Array> {
    const body = this.#chunks === undefined ? this.#first : Buffer.concat(this.#chunks);
    if (body === undefined || body.length < framePrefixBytes)
      throw new GrpcFailure(Code.internal, "the request has no message");
    const length = body.readUInt32BE(1);
    if (body.length !== framePrefixBytes + length) {
      throw new GrpcFailure(
        body.length > framePrefixBytes + length ? Code.unimplemented : Code.internal,
        "a unary call takes one whole message",
      );
    }
    const message = body.subarray(framePrefixBytes);
    if (body[0] === 0) return message;
    const encoding = this.headers["grpc-encoding"] ?? "identity";
    if (encoding === "identity") {
      throw new GrpcFailure(
        Code.internal,
        "a message is compressed, yet no grpc-encoding says how",
      );
    }
    if (encoding !== "gzip") {
      throw new GrpcFailure(
        Code.unimplemented,
        `grpc: unknown compression ${String(encoding)}`,
        undefined,
        {
          "grpc-accept-encoding": "identity,gzip",
        },
      );
    }
    return gunzipMessage(message, this.#options.maxMessageSize);
  }

  #answer(message: Uint8Array, headers: ResponseHeaders | undefined): void {
    const limit = this.#options.maxMessageSize;
    if (message.length > limit) {
      const text = `grpc: trying to send message larger than max (${message.length} vs. ${limit})`;
      this.#fail(new GrpcFailure(Code.resourceExhausted, text));
      return;
    }
    const stream = this.#stream;
    this.#finish();
    stream.on("wantTrailers", sendOk);
    stream.respond(headers === undefined ? plainHead : { ...head, ...headers }, trailersFollow);
    stream.end(encodeFrame(message));
  }

  #fail(thrown: unknown): void {
    const stream = this.#stream;
    if (this.#over) return;
    this.#finish();
    if (stream.destroyed || stream.headersSent) return;
    const failure =
      thrown instanceof GrpcFailure ? thrown : new GrpcFailure(Code.unknown, String(thrown));
    const status: Record<string, string> = {
      "grpc-status": String(failure.code),
      "grpc-message": encodeGrpcMessage(failure.message),
    };
    if (failure.details !== undefined) {
      status["grpc-status-details-bin"] = encodeBinaryHeader(failure.details);
    }
    if (failure.headers === undefined) {
      stream.respond({ ...head, ...status }, { endStream: true });
      this.#refuseTheRest();
    } else {
      stream.on("wantTrailers", () => {
        stream.sendTrailers(status);
        this.#refuseTheRest();
      });
      stream.respond({ ...head, ...failure.headers }, trailersFollow);
      stream.end();
    }
  }

  /** A caller that is still sending is told to stop without it looking like a failure. */
  #refuseTheRest(): void {
    const stream = this.#stream;
    if (stream.readableEnded) return;
    stream.resume();
    // Later, for a reset overtakes the answer that waits to be written, and it would be lost.
    setImmediate(() => stream.close(constants.NGHTTP2_NO_ERROR));
  }

  #expire(): void {
    if (this.#over) return;
    this.#fail(new GrpcFailure(Code.deadlineExceeded, "context deadline exceeded"));
    this.#abort?.abort(new Error("the deadline has passed"));
  }

  #end(): void {
    this.#held.bytes -= this.#received;
    const wasOver = this.#over;
    this.#finish();
    if (!wasOver) this.#abort?.abort(new Error("the caller gave up"));
  }

  #finish(): void {
    this.#over = true;
    clearTimeout(this.#deadline);
  }
}

function ignore(): void {}

function sendOk(this: ServerHttp2Stream): void {
  this.sendTrailers({ "grpc-status": "0", "grpc-message": "" });
}
