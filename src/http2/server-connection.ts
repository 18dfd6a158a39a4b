import type { Duplex } from "node:stream";
import { Http2Connection } from "./connection.ts";
import type { ConnectionGroup } from "./connection-group.ts";
import { ConnectionError, ErrorCode } from "./error-code.ts";
import { largestWindow, preface, Setting } from "./frame.ts";
import type { HeaderBlock } from "./header-block.ts";
import {
  goawayPause,
  headerTable,
  largestRequestHeaders,
  mostStreams,
  streamOverhead,
} from "./limits.ts";
import { contentLength, checkRequest, checkTrailers } from "./message-rules.ts";
import { Http2Stream, type StreamListener } from "./stream.ts";

export type ServerConnectionOptions = {
  /** A request has begun, by its head. `ended` follows at once where it has no body. */
  readonly onStream: (stream: Http2Stream, head: HeaderBlock) => StreamListener;
  /** Called once. */
  readonly onClosed?: (reason: string) => void;
  readonly group: ConnectionGroup<Http2Connection>;
  /** What was read of the socket already. */
  readonly first?: Buffer | undefined;
};

/** The server's side of a connection. */
export class Http2ServerConnection extends Http2Connection {
  readonly #options: ServerConnectionOptions;
  #prefaceSeen = 0;
  /** The latest stream that the client has opened. */
  #last = 0;
  #isFinal = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(socket: Duplex, options: ServerConnectionOptions) {
    super(socket, options.group, largestRequestHeaders);
    this.#options = options;
    const settings = [
      [Setting.maxConcurrentStreams, mostStreams],
      [Setting.maxHeaderListSize, largestRequestHeaders],
      [Setting.headerTableSize, headerTable],
    ] as const;
    this.begin(undefined, settings, options.first);
  }

  /**
   * Takes no more streams, lets those that there are end, and closes: a GOAWAY announces it, and a second one, a round trip
   * later, names the last stream (RFC 9113, section 6.8).
   */
  override close(): void {
    if (this.isGoingAway || this.isClosed) return;
    this.isGoingAway = true;
    this.writeGoaway(largestWindow, ErrorCode.noError, "");
    this.ping(() => this.#sayLast());
    this.#timer = setTimeout(() => this.#sayLast(), goawayPause);
    this.#timer.unref();
  }

  protected override get lastTaken(): number {
    return this.#last;
  }

  protected override receive(chunk: Buffer): void {
    if (this.#prefaceSeen === preface.length) return this.push(chunk);
    const length = Math.min(preface.length - this.#prefaceSeen, chunk.length);
    const expected = preface.subarray(this.#prefaceSeen, this.#prefaceSeen + length);
    if (!expected.equals(chunk.subarray(0, length)))
      throw new ConnectionError(
        ErrorCode.protocolError,
        "the connection does not begin as HTTP/2 does",
      );
    this.#prefaceSeen += length;
    if (chunk.length > length) this.push(chunk.subarray(length));
  }

  protected override isIdle(stream: number): boolean {
    return stream > this.#last || stream % 2 === 0;
  }

  protected override receiveHeaders(id: number, block: HeaderBlock, isLast: boolean): void {
    if (id > this.#last && id % 2 === 1) return this.#open(id, block, isLast);
    const stream = this.streams.get(id);
    if (stream !== undefined) return this.#trailers(stream, block, isLast);
    const how = this.closedStreams.find(id);
    if (how === "byUs") return this.idle();
    if (how === undefined)
      throw new ConnectionError(
        ErrorCode.protocolError,
        `HEADERS of stream ${id} came after one of ${this.#last}`,
      );
    throw new ConnectionError(ErrorCode.streamClosed, "HEADERS of a stream that has ended");
  }

  protected override receiveSettings(): void {}

  protected override receiveGoaway(): void {
    // The client opens no more; what it has opened goes on.
    this.isGoingAway = true;
    this.#isFinal = true;
    this.streamEnded();
  }

  protected override streamEnded(): void {
    if (this.#isFinal && this.streams.size === 0)
      this.end(ErrorCode.noError, "the connection was closed");
  }

  protected override connectionEnded(reason: string): void {
    clearTimeout(this.#timer);
    this.#options.onClosed?.(reason);
  }

  #sayLast(): void {
    if (this.#isFinal || this.isClosed) return;
    clearTimeout(this.#timer);
    this.#isFinal = true;
    this.writeGoaway(this.#last, ErrorCode.noError, "");
    this.streamEnded();
  }

  #open(id: number, block: HeaderBlock, isLast: boolean): void {
    this.#last = id;
    if (this.#isFinal || this.openStreams >= mostStreams)
      return this.#refuse(id, ErrorCode.refusedStream);
    if (block.isTooLarge) return this.#refuseHeaders(id, isLast);
    const announced = contentLength(block) ?? -1;
    if (checkRequest(block) !== undefined || (isLast && announced > 0))
      return this.#refuse(id, ErrorCode.protocolError);
    const reserved = streamOverhead + block.size;
    if (!this.group.reserve(reserved)) return this.#refuse(id, ErrorCode.refusedStream);
    this.useful(1);
    const stream = new Http2Stream(id, this, this.peerWindow);
    stream.reserved = reserved;
    stream.announced = announced;
    stream.headersReceived = true;
    stream.isReceived = isLast;
    this.streams.add(stream);
    try {
      const listener = this.#options.onStream(stream, block);
      if (stream.listener !== listener) stream.begin(listener);
    } catch (error) {
      this.failed(stream, error);
    }
    if (isLast && !stream.isClosed) this.receiveEnd(stream, undefined);
  }

  #trailers(stream: Http2Stream, block: HeaderBlock, isLast: boolean): void {
    if (stream.isReceived) stream.reset(ErrorCode.streamClosed, "HEADERS came after the end");
    else if (!isLast || block.isTooLarge || checkTrailers(block) !== undefined)
      stream.reset(ErrorCode.protocolError, "the trailers are malformed");
    else this.receiveEnd(stream, block);
  }

  #refuse(id: number, code: number): void {
    this.closedStreams.add(id, "byUs");
    this.writeReset(id, code);
  }

  #refuseHeaders(id: number, isLast: boolean): void {
    this.writeHeaders(id, [":status", "431", "content-length", "0"], true);
    this.closedStreams.add(id, "byUs");
    if (!isLast) this.writeReset(id, ErrorCode.noError);
  }
}
