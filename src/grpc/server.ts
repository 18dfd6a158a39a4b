import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { gunzip } from "node:zlib";

/** What a method is told about its call. */
export type CallContext = {
  /** Request metadata as HTTP/2 carried it. */
  readonly headers: IncomingHttpHeaders;
  /** Aborted when the caller gave up or its deadline passed. Made when it is first asked for. */
  readonly signal: AbortSignal;
};

/** Response metadata; a name may repeat. */
export type ResponseHeaders = Readonly<Record<string, string | string[]>>;

export type UnaryAnswer = { readonly message: Uint8Array; readonly headers?: ResponseHeaders | undefined };

/** A unary method on encoded messages. What it throws should be a {@link GrpcFailure}; else it is UNKNOWN. */
export type UnaryMethod = (message: Uint8Array, context: CallContext) => Promise<UnaryAnswer>;

/** The failure of a call, as gRPC says it. */
export class GrpcFailure extends Error {
  override readonly name = "GrpcFailure";
  /** The gRPC status code, 1 to 16. */
  readonly code: number;
  /** An encoded `google.rpc.Status` for `grpc-status-details-bin`. */
  readonly details: Uint8Array | undefined;
  readonly headers: ResponseHeaders | undefined;

  constructor(code: number, message: string, details?: Uint8Array, headers?: ResponseHeaders) {
    super(message);
    this.code = code;
    this.details = details;
    this.headers = headers;
  }
}

export type UnaryServerOptions = {
  /** The largest request message, in bytes. */
  readonly maxMessageSize: number;
  /** Called first; throws a {@link GrpcFailure} to refuse the call. */
  readonly admit: (headers: IncomingHttpHeaders) => void;
};

const trailersFollow = { waitForTrailers: true } as const;
const prefixLength = 5;

/** Serves unary gRPC calls straight on HTTP/2 streams. */
export class UnaryServer {
  readonly #methods: ReadonlyMap<string, UnaryMethod>;
  readonly #options: UnaryServerOptions;

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
    new UnaryCall(stream, headers, method, this.#options).start();
    return true;
  }
}

class UnaryCall implements CallContext {
  readonly headers: IncomingHttpHeaders;
  readonly #stream: ServerHttp2Stream;
  readonly #method: UnaryMethod;
  readonly #options: UnaryServerOptions;
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
  ) {
    this.#stream = stream;
    this.headers = headers;
    this.#method = method;
    this.#options = options;
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
      this.#options.admit(this.headers);
      const timeout = parseTimeout(this.headers["grpc-timeout"]);
      if (timeout !== undefined) this.#deadline = setTimeout(() => this.#expire(), timeout);
    } catch (error) {
      stream.resume();
      return this.#fail(error);
    }
    stream.on("data", (chunk: Buffer) => this.#receive(chunk));
    stream.on("end", () => void this.#run());
  }

  #receive(chunk: Buffer): void {
    if (this.#over) return;
    this.#received += chunk.length;
    const limit = this.#options.maxMessageSize;
    if (this.#received > limit + prefixLength) {
      const announced = this.#first !== undefined && this.#first.length >= prefixLength ? this.#first.readUInt32BE(1) : 0;
      const size = Math.max(announced, this.#received - prefixLength);
      this.#fail(new GrpcFailure(8, `grpc: received message larger than max (${size} vs. ${limit})`));
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
    if (body === undefined || body.length < prefixLength) throw new GrpcFailure(13, "the request has no message");
    const length = body.readUInt32BE(1);
    if (body.length !== prefixLength + length) {
      throw new GrpcFailure(body.length > prefixLength + length ? 12 : 13, "a unary call takes one whole message");
    }
    const message = body.subarray(prefixLength);
    if (body[0] === 0) return message;
    const encoding = this.headers["grpc-encoding"] ?? "identity";
    if (encoding !== "gzip") {
      throw new GrpcFailure(12, `grpc: unknown compression ${encoding}`, undefined, {
        "grpc-accept-encoding": "identity,gzip",
      });
    }
    return unzip(message, this.#options.maxMessageSize);
  }

  #answer(message: Uint8Array, headers: ResponseHeaders | undefined): void {
    const stream = this.#stream;
    this.#finish();
    stream.respond({ ":status": 200, "content-type": "application/grpc", ...headers }, trailersFollow);
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0", "grpc-message": "" }));
    const frame = Buffer.allocUnsafe(prefixLength + message.length);
    frame[0] = 0;
    frame.writeUInt32BE(message.length, 1);
    frame.set(message, prefixLength);
    stream.end(frame);
  }

  #fail(thrown: unknown): void {
    const stream = this.#stream;
    if (this.#over) return;
    this.#finish();
    if (stream.destroyed || stream.headersSent) return;
    const failure = thrown instanceof GrpcFailure ? thrown : new GrpcFailure(2, String(thrown));
    const status: Record<string, string> = {
      "grpc-status": String(failure.code),
      "grpc-message": percentEncode(failure.message),
    };
    if (failure.details !== undefined) {
      status["grpc-status-details-bin"] = Buffer.from(failure.details)
        .toString("base64")
        .replace(/=+$/, "");
    }
    const head = { ":status": 200, "content-type": "application/grpc" };
    if (failure.headers === undefined) {
      stream.respond({ ...head, ...status }, { endStream: true });
    } else {
      stream.on("wantTrailers", () => stream.sendTrailers(status));
      stream.respond({ ...head, ...failure.headers }, trailersFollow);
      stream.end();
    }
    if (stream.readableEnded) return;
    // A caller that is still sending is told to stop without it looking like a failure.
    stream.resume();
    if (failure.headers === undefined) stream.close(constants.NGHTTP2_NO_ERROR);
    else stream.once("finish", () => stream.close(constants.NGHTTP2_NO_ERROR));
  }

  #expire(): void {
    if (this.#over) return;
    this.#fail(new GrpcFailure(4, "context deadline exceeded"));
    this.#abort?.abort(new Error("the deadline has passed"));
  }

  #end(): void {
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

function unzip(message: Uint8Array, limit: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    gunzip(message, { maxOutputLength: limit }, (error, result) => {
      if (error === null) resolve(result);
      else if ("code" in error && error.code === "ERR_BUFFER_TOO_LARGE") {
        reject(new GrpcFailure(8, `grpc: received message after decompression larger than max ${limit}`));
      } else reject(new GrpcFailure(13, `grpc: failed to decompress the received message: ${error.message}`));
    });
  });
}

const timeoutUnits: Readonly<Record<string, number>> = { n: 1e-6, u: 1e-3, m: 1, S: 1e3, M: 6e4, H: 3.6e6 };
const longestTimer = 2 ** 31 - 1;

/** `grpc-timeout` in milliseconds: 1 to 8 digits and a unit. `undefined`: none, or longer than a timer can be. */
export function parseTimeout(text: string | string[] | undefined): number | undefined {
  if (typeof text !== "string") return undefined;
  const match = /^(\d{1,8})([numSMH])$/.exec(text);
  if (match === null) throw new GrpcFailure(3, `malformed grpc-timeout: ${text}`);
  const milliseconds = Number(match[1]) * (timeoutUnits[match[2] ?? ""] ?? 0);
  return milliseconds > longestTimer ? undefined : milliseconds;
}

/** Text as `grpc-message` carries it: all but printable ASCII, and `%` itself, percent-encoded. */
export function percentEncode(text: string): string {
  if (/^[\x20-\x24\x26-\x7e]*$/.test(text)) return text;
  let encoded = "";
  for (const byte of Buffer.from(text)) {
    encoded +=
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return encoded;
}
