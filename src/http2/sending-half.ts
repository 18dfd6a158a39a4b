import type { Duplex } from "node:stream";
import { ErrorCode } from "./error-code.ts";
import {
  Flag,
  frameHeaderBytes,
  FrameType,
  initialMaxFrameSize,
  initialWindow,
  writeFrameHeader,
  writeUint32,
} from "./frame.ts";
import { HpackEncoder } from "./hpack-encoder.ts";
import { congestedFrom, mostUnreadAnswers, mostUnsent, usefulBytes } from "./limits.ts";
import { flushLater, Output } from "./output.ts";
import type { Http2Stream } from "./stream.ts";

/** Names whose values no table keeps (RFC 7541, section 7.1.3). */
const neverIndexed: ReadonlySet<string> = new Set([
  "authorization",
  "proxy-authorization",
  "cookie",
  "set-cookie",
  "dapr-api-token",
]);

/** After so many rounds within one turn others of the process have theirs. */
const mostRounds = 16;

/** What a connection sends: frames, and the data of streams as windows and the socket allow. */
export abstract class SendingHalf {
  readonly socket: Duplex;
  readonly output: Output;
  isClosed = false;
  /**
   * The largest frame that is sent: the least that the other side must take (RFC 9113, section 4.2), also where it takes
   * more, so that streams take turns.
   */
  readonly largestFrame = initialMaxFrameSize;
  /** What the other side takes of all streams together before it says more. */
  sendWindow = initialWindow;
  protected readonly encoder = new HpackEncoder({ neverIndexed });
  /** Bytes that were read, got out, or are not held any more, since the last look. */
  protected moved = 0;
  readonly #ready = new Set<Http2Stream>();
  #isFlushDue = false;
  #countedUnsent = 0;
  #isReadingPaused = false;
  #unreadAnswers = 0;
  #pingId = 0;

  constructor(socket: Duplex) {
    this.socket = socket;
    this.output = new Output(socket, () => this.#written());
  }

  /** Counts bytes that are held, or are not any more. */
  abstract count(bytes: number): void;
  abstract destroy(code: number, reason: string): void;
  protected abstract failed(stream: Http2Stream, error: unknown): void;
  /** So many frames that bring nothing are made up for by data that was sent. */
  protected abstract useful(frames: number): void;

  /** It is an open stream that this side has opened: the other side cannot have us reset more of them than there are. */
  protected isOpenedHere(_stream: number): boolean {
    return false;
  }

  /** The socket does not keep up: data has to wait. */
  get isCongested(): boolean {
    return this.output.unsent >= congestedFrom;
  }

  /** Names and values in turn. Throws a `TypeError` for fields that HTTP/2 does not carry, and has written nothing then. */
  writeHeaders(stream: number, fields: readonly string[], isLast: boolean): void {
    const { output, encoder } = this;
    output.reserve(frameHeaderBytes + encoder.bound(fields));
    const start = output.at + frameHeaderBytes;
    const end = encoder.encode(fields, output.buffer, start);
    const length = end - start;
    const last = isLast ? Flag.endStream : 0;
    if (length > this.largestFrame) this.#splitHeaders(stream, start, end, last);
    else {
      const flags = last | Flag.endHeaders;
      writeFrameHeader(output.buffer, output.at, length, FrameType.headers, flags, stream);
      output.at = end;
    }
    this.schedule();
  }

  /** The header of a frame whose bytes follow. */
  writeDataHeader(stream: number, length: number, isLast: boolean): void {
    const { output } = this;
    output.reserve(frameHeaderBytes);
    const flags = isLast ? Flag.endStream : 0;
    output.at = writeFrameHeader(output.buffer, output.at, length, FrameType.data, flags, stream);
    // A peer may announce room for the connection and for the stream after each kilobyte.
    if (length >= usefulBytes) this.useful(1 + (length >>> 9));
    this.schedule();
  }

  writeReset(stream: number, code: number): void {
    this.#writeNumber(FrameType.rstStream, stream, code);
    if (!this.isOpenedHere(stream)) this.#answered();
  }

  writeWindowUpdate(stream: number, bytes: number): void {
    this.#writeNumber(FrameType.windowUpdate, stream, bytes);
  }

  /** The stream has something to send once there is room. */
  wait(stream: Http2Stream): void {
    this.#ready.add(stream);
    this.schedule();
  }

  /** Sends what waits and is due; called at the end of a turn. */
  flush(): void {
    this.#isFlushDue = false;
    for (let round = 0; !this.isClosed; round += 1) {
      this.#sendWaiting();
      this.output.flush();
      if (this.#ready.size === 0 || this.sendWindow <= 0 || this.isCongested) break;
      if (round === mostRounds) {
        setImmediate(() => this.schedule());
        break;
      }
    }
    this.#countUnsent();
  }

  /** Has what was written leave once all that is ready in this turn has run. */
  protected schedule(): void {
    if (this.#isFlushDue || this.isClosed) return;
    this.#isFlushDue = true;
    flushLater(this);
  }

  /** Sends a PING, and returns its number. */
  protected writePing(): number {
    const id = ++this.#pingId;
    this.#writeEight(0, pingMark, id);
    return id;
  }

  protected writePong(first: number, second: number): void {
    this.#writeEight(Flag.ack, first, second);
    this.#answered();
  }

  protected writeSettingsAck(): void {
    const { output } = this;
    output.reserve(frameHeaderBytes);
    output.at = writeFrameHeader(output.buffer, output.at, 0, FrameType.settings, Flag.ack, 0);
    this.#answered();
  }

  protected writeGoaway(lastStream: number, code: number, text: string): void {
    const { output } = this;
    const bytes = Buffer.from(text.slice(0, 200), "latin1");
    output.reserve(frameHeaderBytes + 8 + bytes.length);
    let at = writeFrameHeader(output.buffer, output.at, 8 + bytes.length, FrameType.goaway, 0, 0);
    at = writeUint32(output.buffer, writeUint32(output.buffer, at, lastStream), code);
    output.at = at + bytes.copy(output.buffer, at);
    this.schedule();
  }

  protected forgetReady(stream: Http2Stream): void {
    this.#ready.delete(stream);
  }

  /** What the output has counted of the budget is given back. */
  protected dropOutput(): void {
    this.output.drop();
    this.count(-this.#countedUnsent);
    this.#countedUnsent = 0;
  }

  #splitHeaders(stream: number, start: number, end: number, last: number): void {
    const { output, largestFrame } = this;
    const block = Buffer.from(output.buffer.subarray(start, end));
    for (let at = 0; at < block.length; at += largestFrame) {
      const part = block.subarray(at, at + largestFrame);
      const isWhole = at + part.length === block.length ? Flag.endHeaders : 0;
      const type = at === 0 ? FrameType.headers : FrameType.continuation;
      output.reserve(frameHeaderBytes);
      const flags = isWhole | (at === 0 ? last : 0);
      output.at = writeFrameHeader(output.buffer, output.at, part.length, type, flags, stream);
      output.add(part);
    }
  }

  #writeNumber(type: number, stream: number, value: number): void {
    if (this.isClosed) return;
    const { output } = this;
    output.reserve(frameHeaderBytes + 4);
    const at = writeFrameHeader(output.buffer, output.at, 4, type, 0, stream);
    output.at = writeUint32(output.buffer, at, value);
    this.schedule();
  }

  #writeEight(flags: number, first: number, second: number): void {
    const { output } = this;
    output.reserve(frameHeaderBytes + 8);
    const at = writeFrameHeader(output.buffer, output.at, 8, FrameType.ping, flags, 0);
    output.at = writeUint32(output.buffer, writeUint32(output.buffer, at, first), second);
    this.schedule();
  }

  /** The other side has to read one more answer. */
  #answered(): void {
    this.schedule();
    this.#unreadAnswers += 1;
    if (this.#unreadAnswers > mostUnreadAnswers)
      this.destroy(ErrorCode.enhanceYourCalm, "too many answers were not read");
  }

  /** A frame of each stream in turn, as long as there is room. */
  #sendWaiting(): void {
    const ready = this.#ready;
    for (const stream of ready) {
      if (this.sendWindow <= 0 || this.isCongested) return;
      // Behind those that have not had their turn.
      ready.delete(stream);
      try {
        if (stream.sendMore()) ready.add(stream);
      } catch (error) {
        this.failed(stream, error);
      }
    }
  }

  #written(): void {
    if (this.isClosed) return;
    this.#countUnsent();
    if (this.#ready.size > 0 && !this.isCongested) this.schedule();
  }

  /** Who does not read what it has asked for is not asked for more. */
  #turnReading(): void {
    this.#isReadingPaused = !this.#isReadingPaused;
    if (this.#isReadingPaused) this.socket.pause();
    else this.socket.resume();
  }

  #countUnsent(): void {
    const { unsent } = this.output;
    if (unsent === 0) this.#unreadAnswers = 0;
    if (this.#isReadingPaused ? unsent < congestedFrom : unsent >= mostUnsent) this.#turnReading();
    if (unsent === this.#countedUnsent || this.isClosed) return;
    if (unsent < this.#countedUnsent) this.moved += this.#countedUnsent - unsent;
    this.count(unsent - this.#countedUnsent);
    this.#countedUnsent = unsent;
  }
}

/** Half of what a PING of ours carries; the other half counts them. */
export const pingMark = 0x63_75_66_66;
