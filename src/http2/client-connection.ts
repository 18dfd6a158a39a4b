import type { Duplex } from "node:stream";
import { Http2Connection } from "./connection.ts";
import { ConnectionGroup } from "./connection-group.ts";
import { ConnectionError, ErrorCode, errorName } from "./error-code.ts";
import { FrameType, largestWindow, preface, Setting } from "./frame.ts";
import type { HeaderBlock } from "./header-block.ts";
import { headerTable, largestResponseHeaders, streamOverhead } from "./limits.ts";
import { contentLength, checkResponse, checkTrailers } from "./message-rules.ts";
import type { Settings } from "./settings.ts";
import { Http2Stream, type StreamListener } from "./stream.ts";

export type ClientConnectionOptions = {
  /** The server's first SETTINGS have come. */
  readonly onReady: () => void;
  /** How many streams the server allows at one time: at first, and after each change. */
  readonly onLimit?: (mostStreams: number) => void;
  /** The server takes no more streams than up to that one. */
  readonly onGoaway?: (code: number, lastStream: number, text: string) => void;
  /** Called once, always, after the streams were told. */
  readonly onClosed: (reason: string) => void;
  readonly group?: ConnectionGroup<Http2Connection>;
};

/** For clients that share nothing. */
const alone = new ConnectionGroup<Http2Connection>();

/** The client's side of a connection. */
export class Http2ClientConnection extends Http2Connection {
  /** What the server allows at one time. */
  mostStreams = Infinity;
  readonly #options: ClientConnectionOptions;
  #next = 1;
  #isFirst = true;

  /** The socket is connected, or will be; over TLS the server has chosen `h2`. */
  constructor(socket: Duplex, options: ClientConnectionOptions) {
    super(socket, options.group ?? alone, largestResponseHeaders);
    this.#options = options;
    const settings = [
      [Setting.enablePush, 0],
      [Setting.maxHeaderListSize, largestResponseHeaders],
      [Setting.headerTableSize, headerTable],
    ] as const;
    this.begin(preface, settings, undefined);
  }

  /** The id of the next stream. */
  get nextStream(): number {
    return this.#next;
  }

  /**
   * Opens a stream by its head: names and values in turn. Throws a `TypeError` for fields that HTTP/2 does not carry, and an
   * `Error` where no stream can be opened any more.
   */
  open(fields: readonly string[], listener: StreamListener, isLast = false): Http2Stream {
    const stream = this.#create(fields, listener);
    stream.sendHeaders(fields, isLast);
    this.#add(stream);
    return stream;
  }

  /** The same with a whole body. */
  request(fields: readonly string[], body: Uint8Array, listener: StreamListener): Http2Stream {
    if (body.length === 0) return this.open(fields, listener, true);
    const stream = this.open(fields, listener);
    stream.end(body);
    return stream;
  }

  /** Opens no more streams, lets those that there are end, and closes. */
  override close(): void {
    if (this.isGoingAway || this.isClosed) return;
    this.isGoingAway = true;
    this.writeGoaway(0, ErrorCode.noError, "");
    this.streamEnded();
  }

  protected override get lastTaken(): number {
    return 0;
  }

  protected override receive(chunk: Buffer): void {
    if (this.#isFirst) {
      this.#isFirst = false;
      if (chunk.toString("latin1", 0, 5) === "HTTP/")
        throw new ConnectionError(
          ErrorCode.protocolError,
          "the server answers in HTTP/1.1, not in HTTP/2",
        );
      // SETTINGS are what it must begin with (RFC 9113, section 3.4).
      if (chunk.length > 3 && chunk[3] !== FrameType.settings)
        throw new ConnectionError(ErrorCode.protocolError, "the server does not speak HTTP/2");
    }
    this.push(chunk);
  }

  protected override isOpenedHere(stream: number): boolean {
    return this.streams.has(stream);
  }

  protected override isIdle(stream: number): boolean {
    return stream >= this.#next || stream % 2 === 0;
  }

  protected override receiveHeaders(id: number, block: HeaderBlock, isLast: boolean): void {
    const stream = this.streams.get(id);
    if (stream === undefined) {
      if (this.isIdle(id))
        throw new ConnectionError(
          ErrorCode.protocolError,
          "HEADERS of a stream that was never opened",
        );
      return this.idle();
    }
    if (block.isTooLarge)
      return stream.reset(ErrorCode.enhanceYourCalm, "the header list of the answer is too large");
    if (stream.isReceived)
      return stream.reset(ErrorCode.streamClosed, "HEADERS came after the end");
    if (stream.headersReceived) {
      if (!isLast || checkTrailers(block) !== undefined)
        return stream.reset(ErrorCode.protocolError, "the trailers are malformed");
      return this.receiveEnd(stream, block);
    }
    const wrong = checkResponse(block);
    if (wrong !== undefined)
      return stream.reset(ErrorCode.protocolError, `the answer is malformed: ${wrong}`);
    const status = block.get(":status") as string;
    if (status.startsWith("1")) {
      if (isLast) stream.reset(ErrorCode.protocolError, `the answer ends with status ${status}`);
      return this.idle();
    }
    stream.headersReceived = true;
    this.useful(1);
    if (!stream.isHead && status !== "304") stream.announced = contentLength(block) ?? -1;
    try {
      stream.listener.headers?.(block, isLast);
    } catch (error) {
      return this.failed(stream, error);
    }
    if (isLast && !stream.isClosed) this.receiveEnd(stream, undefined);
  }

  protected override receiveSettings(settings: Settings, isFirst: boolean): void {
    const { onLimit, onReady } = this.#options;
    if (settings.enablePush === 1)
      throw new ConnectionError(ErrorCode.protocolError, "a server cannot ask for pushes");
    if (settings.maxConcurrentStreams !== undefined)
      this.mostStreams = settings.maxConcurrentStreams;
    if (isFirst || settings.maxConcurrentStreams !== undefined) onLimit?.(this.mostStreams);
    if (isFirst) onReady();
  }

  protected override receiveGoaway(lastStream: number, code: number, text: string): void {
    this.isGoingAway = true;
    this.#options.onGoaway?.(code, lastStream, text);
    const reason = `the server ended the connection (GOAWAY ${errorName(code)})`;
    for (const stream of this.streams.values()) {
      if (stream.id > lastStream)
        stream.close({ code, by: "connection", isUnprocessed: true, reason });
    }
    if (!this.isClosed) this.streamEnded();
  }

  protected override streamEnded(): void {
    if (this.isGoingAway && this.streams.size === 0)
      this.end(ErrorCode.noError, "the connection was closed");
  }

  protected override connectionEnded(reason: string): void {
    this.#options.onClosed(reason);
  }

  #create(fields: readonly string[], listener: StreamListener): Http2Stream {
    if (this.isClosed || this.isGoingAway) throw new Error("the connection takes no more streams");
    if (this.#next > largestWindow) {
      this.isGoingAway = true;
      throw new Error("the connection has no more stream ids");
    }
    const stream = new Http2Stream(this.#next, this, this.peerWindow);
    stream.listener = listener;
    stream.isHead = fields[fields.indexOf(":method") + 1] === "HEAD";
    return stream;
  }

  /** Its HEADERS are written: before, nothing may be known of it. */
  #add(stream: Http2Stream): void {
    this.#next += 2;
    this.streams.add(stream);
    // When it is cancelled, what the server has sent by then comes late, and brings nothing.
    this.useful(framesOfAnswer);
    stream.reserved = streamOverhead;
    this.group.count(streamOverhead);
  }
}

/** Head, a part of the body, trailers, and RST_STREAM. */
const framesOfAnswer = 4;
