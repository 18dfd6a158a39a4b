import type { Duplex } from "node:stream";
import type { StreamEnd } from "./closed-streams.ts";
import { ErrorCode, errorName } from "./error-code.ts";
import type { HeaderBlock } from "./header-block.ts";
import { HeldBody } from "./held-body.ts";
import { checkFields } from "./hpack-encoder.ts";
import { streamBufferBytes, streamWindow } from "./limits.ts";
import type { Output } from "./output.ts";
import { endOf, type StreamListener, type StreamReset } from "./stream-listener.ts";

export type { StreamListener, StreamReset } from "./stream-listener.ts";

/** What a stream needs of its connection. */
export type StreamCarrier = {
  readonly socket: Duplex;
  readonly output: Output;
  /** What the other side takes in one frame, and of all streams together before it says more. */
  readonly largestFrame: number;
  sendWindow: number;
  /** The socket does not keep up: data has to wait. */
  readonly isCongested: boolean;
  writeHeaders(stream: number, fields: readonly string[], isLast: boolean): void;
  /** The frame's header; the bytes follow. */
  writeDataHeader(stream: number, length: number, isLast: boolean): void;
  writeReset(stream: number, code: number): void;
  writeWindowUpdate(stream: number, bytes: number): void;
  /** So many bytes of a stream were read, and make room for others of the connection. */
  consumed(bytes: number): void;
  /** The stream has something to send once there is room. */
  wait(stream: Http2Stream): void;
  /** Counts bytes that are held, or are not any more. */
  count(bytes: number): void;
  /** The stream is over. */
  ended(stream: Http2Stream, how: StreamEnd): void;
  /** Work for a stream that is over has ended. */
  released(): void;
};

const noListener: StreamListener = { data() {}, ended() {}, closed() {} };

/** One request and its response (RFC 9113, section 5). */
export class Http2Stream {
  readonly id: number;
  readonly connection: StreamCarrier;
  listener: StreamListener = noListener;
  headersSent = false;
  /** Our side has said all; parts of it may wait. */
  isEnded = false;
  /** It is over. */
  isClosed = false;
  /** The other side's message is whole. */
  isReceived = false;
  isPaused = false;
  /** The head of the request, or of the final response, has come. */
  headersReceived = false;
  /** Of a client: the request is one of HEAD, whose answer has no body. */
  isHead = false;
  /** What the other side takes before it says more, in bytes. */
  sendWindow: number;
  /** Bytes that the body must have; -1: not announced. */
  announced = -1;
  /** What the stream holds of the budget beside what waits. */
  reserved = 0;
  #receiveWindow = streamWindow;
  #unacknowledged = 0;
  #received = 0;
  #queue: Uint8Array[] = [];
  #waiting = 0;
  #trailers: readonly string[] | undefined;
  #isEndSent = false;
  #isResetAtEnd = false;
  #isDrainDue = false;
  #held: HeldBody | undefined;
  #isEndHeld = false;
  #cutBy: StreamReset | undefined;
  #heldTrailers: HeaderBlock | undefined;
  #isHandingOver = false;
  #retained = 0;
  #closedBy: StreamReset | undefined;

  constructor(id: number, connection: StreamCarrier, sendWindow: number) {
    this.id = id;
    this.connection = connection;
    this.sendWindow = sendWindow;
  }

  /** Bytes of ours that wait for windows or the socket. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Whether work goes on for it. */
  get isRetained(): boolean {
    return this.#retained > 0;
  }

  /** Sends the head: names and values in turn. Throws a `TypeError` for what HTTP/2 does not carry; nothing is sent then. */
  sendHeaders(fields: readonly string[], isLast = false): void {
    if (this.isClosed || this.isEnded) return;
    this.connection.writeHeaders(this.id, fields, isLast);
    this.headersSent = true;
    if (!isLast) return;
    this.isEnded = true;
    this.#endSent();
  }

  /** Takes bytes that must not change any more. False: more should wait for `drained`. */
  write(bytes: Uint8Array): boolean {
    if (this.isClosed || this.isEnded) return true;
    const { length } = bytes;
    if (length === 0) return this.#waiting < streamBufferBytes;
    if (this.#hasRoom(length)) {
      this.#append(bytes, false);
      return true;
    }
    this.#enqueue(bytes);
    if (this.#waiting < streamBufferBytes) return true;
    this.#isDrainDue = true;
    return false;
  }

  /**
   * Ends our side, with a last part and trailers where there are some. Throws a `TypeError` for trailers that HTTP/2 does
   * not carry: the last part was taken then, and the side has not ended.
   */
  end(last: Uint8Array = noBytes, trailers?: readonly string[]): void {
    if (this.isClosed || this.isEnded) return;
    const { length } = last;
    if (this.#waiting === 0 && (length === 0 || this.#hasRoom(length))) {
      if (length > 0 || trailers === undefined) this.#append(last, trailers === undefined);
      return this.#allWritten(trailers);
    }
    if (length > 0) this.#enqueue(last);
    if (trailers !== undefined) checkFields(trailers);
    this.isEnded = true;
    this.#trailers = trailers;
  }

  /**
   * A whole answer or request: the frames of head, body and trailers at once where there is room. The body may be in two
   * parts, of which the first is copied, so that its bytes may be used again.
   */
  sendWhole(
    head: readonly string[],
    body: Uint8Array,
    trailers?: readonly string[],
    before: Uint8Array = noBytes,
  ): void {
    if (this.isClosed || this.isEnded) return;
    this.connection.writeHeaders(this.id, head, false);
    this.headersSent = true;
    if (before.length > 0 && this.#hasRoom(before.length + body.length)) {
      this.#append(body, trailers === undefined, before);
      return this.#allWritten(trailers);
    }
    if (before.length > 0) this.write(Buffer.from(before));
    this.end(body, trailers);
  }

  /**
   * Ends our side, and once that was sent tells the other side that the rest of its message is not wanted
   * (RFC 9113, section 8.1).
   */
  endEarly(last?: Uint8Array, trailers?: readonly string[]): void {
    if (this.isClosed) return;
    if (!this.isReceived) this.#isResetAtEnd = true;
    if (!this.isEnded) this.end(last, trailers);
    else if (this.#isEndSent) this.#endSent();
  }

  /** While it is paused, what comes is held, up to the window; the end of the message waits too. */
  pause(): void {
    this.isPaused = true;
  }

  /** Tells what was held, and what comes. */
  resume(): void {
    this.isPaused = false;
    if (this.#held !== undefined || this.#isEndHeld) this.#handOver();
  }

  /** Ends it at once, and drops what waits. */
  reset(code: number, reason = `reset with ${errorName(code)}`): void {
    if (this.isClosed) return;
    this.connection.writeReset(this.id, code);
    this.close({ code, by: "local", isUnprocessed: false, reason });
  }

  /** Work goes on for it, whatever becomes of it: until {@link release} it counts among the streams of its connection. */
  retain(): void {
    this.#retained += 1;
  }

  release(): void {
    this.#retained -= 1;
    if (this.#retained === 0 && this.isClosed) this.connection.released();
  }

  // What follows is called by the connection.

  /** Tells the listener what comes, and what it has missed. */
  begin(listener: StreamListener): void {
    this.listener = listener;
    if (this.isClosed) listener.closed(this.#closedBy);
  }

  /** A frame of DATA begins. An error code: what it breaks. */
  dataBegins(length: number): number {
    if (this.isReceived) return ErrorCode.streamClosed;
    if (!this.headersReceived) return ErrorCode.protocolError;
    this.#receiveWindow -= length;
    return this.#receiveWindow < 0 ? ErrorCode.flowControlError : ErrorCode.noError;
  }

  /** A part of a body. False: it is longer than announced. */
  receive(part: Buffer): boolean {
    const { length } = part;
    if (this.announced >= 0) {
      this.#received += length;
      if (this.#received > this.announced) return false;
    }
    if (this.isPaused || this.#held !== undefined) {
      this.#held ??= new HeldBody();
      this.#held.add(part);
      this.connection.count(length);
    } else {
      this.consumed(length);
      this.listener.data(part);
    }
    return true;
  }

  /** So many bytes were read: the other side may send as many again, which it is told once half of the window was. */
  consumed(bytes: number): void {
    this.connection.consumed(bytes);
    this.#unacknowledged += bytes;
    if (this.#unacknowledged < streamWindow / 2 || this.isReceived || this.isClosed) return;
    this.connection.writeWindowUpdate(this.id, this.#unacknowledged);
    this.#receiveWindow += this.#unacknowledged;
    this.#unacknowledged = 0;
  }

  /** The other side's message is whole. False: it is shorter than announced. */
  receivedAll(trailers: HeaderBlock | undefined): boolean {
    if (this.announced >= 0 && this.#received !== this.announced) return false;
    this.isReceived = true;
    if (this.isPaused || this.#held !== undefined) {
      this.#isEndHeld = true;
      this.#heldTrailers = trailers;
    } else this.#tellEnd(trailers);
    return true;
  }

  /** Sends one frame of what waits. False: it has to wait again, for its window or for something to send. */
  sendMore(): boolean {
    const { connection } = this;
    if (this.isClosed || this.#isEndSent) return false;
    const waiting = this.#waiting;
    if (waiting > 0) {
      const room = Math.min(this.sendWindow, connection.sendWindow, connection.largestFrame);
      const length = Math.min(waiting, room);
      if (length <= 0) return false;
      const isLast = this.isEnded && length === waiting && this.#trailers === undefined;
      connection.writeDataHeader(this.id, length, isLast);
      this.#take(length);
      if (this.#waiting > 0) return true;
    }
    if (this.isEnded) {
      const trailers = this.#trailers;
      if (trailers !== undefined) connection.writeHeaders(this.id, trailers, true);
      this.#endSent();
    } else if (this.#isDrainDue) {
      this.#isDrainDue = false;
      this.listener.drained?.();
    }
    return this.#waiting > 0;
  }

  /** It is over, for the reason given. */
  close(reset: StreamReset | undefined): void {
    if (this.isClosed) return;
    this.isClosed = true;
    const held = this.#held === undefined ? 0 : this.#held.size;
    if (held > 0) this.connection.consumed(held);
    if (held + this.#waiting > 0) this.connection.count(-held - this.#waiting);
    this.#queue = noQueue;
    this.#held = undefined;
    this.#waiting = 0;
    this.#closedBy = reset;
    this.connection.ended(this, endOf(reset));
    this.listener.closed(reset);
  }

  /** Its connection is gone. A message that has come as a whole can still be read. */
  cut(reset: StreamReset): void {
    if (!this.#isEndHeld) return this.close(reset);
    this.isEnded = true;
    this.#cutBy = reset;
  }

  #hasRoom(length: number): boolean {
    const { connection } = this;
    return (
      this.#waiting === 0 &&
      length <= this.sendWindow &&
      length <= connection.sendWindow &&
      length <= connection.largestFrame &&
      !connection.isCongested
    );
  }

  #append(bytes: Uint8Array, isLast: boolean, before: Uint8Array = noBytes): void {
    const { connection } = this;
    const length = before.length + bytes.length;
    connection.writeDataHeader(this.id, length, isLast);
    if (before.length > 0) connection.output.add(before);
    connection.output.add(bytes);
    this.sendWindow -= length;
    connection.sendWindow -= length;
  }

  /** All but the trailers is in the output. */
  #allWritten(trailers: readonly string[] | undefined): void {
    if (trailers !== undefined) this.connection.writeHeaders(this.id, trailers, true);
    this.isEnded = true;
    this.#endSent();
  }

  #enqueue(bytes: Uint8Array): void {
    if (this.#waiting === 0) this.#queue = [];
    this.#queue.push(bytes);
    this.#waiting += bytes.length;
    this.connection.count(bytes.length);
    this.connection.wait(this);
  }

  /** Adds the next bytes of the queue to the output. */
  #take(length: number): void {
    const { connection } = this;
    const queue = this.#queue;
    let left = length;
    let taken = 0;
    while (left > 0) {
      const part = queue[taken] as Uint8Array;
      if (part.length <= left) {
        connection.output.add(part);
        left -= part.length;
        taken += 1;
      } else {
        connection.output.add(part.subarray(0, left));
        queue[taken] = part.subarray(left);
        left = 0;
      }
    }
    queue.splice(0, taken);
    this.#waiting -= length;
    this.sendWindow -= length;
    connection.sendWindow -= length;
    connection.count(-length);
  }

  #endSent(): void {
    this.#isEndSent = true;
    if (this.isReceived && !this.#isEndHeld) this.close(undefined);
    else if (this.#isResetAtEnd)
      this.reset(ErrorCode.noError, "answered before the request was whole");
  }

  #tellEnd(trailers: HeaderBlock | undefined): void {
    this.listener.ended(trailers);
    if (this.#isEndSent) this.close(undefined);
    else if (this.#cutBy !== undefined) this.close(this.#cutBy);
  }

  #handOver(): void {
    // The listener may pause and resume within.
    if (this.#isHandingOver) return;
    this.#isHandingOver = true;
    try {
      while (!this.isPaused) {
        const part = this.#held?.take();
        if (part === undefined) break;
        this.connection.count(-part.length);
        this.consumed(part.length);
        this.listener.data(part);
      }
      if (this.#held?.size === 0) this.#held = undefined;
      if (!this.#isEndHeld || this.isPaused || this.isClosed) return;
      this.#isEndHeld = false;
      this.#tellEnd(this.#heldTrailers);
    } finally {
      this.#isHandingOver = false;
    }
  }
}

const noBytes = Buffer.alloc(0);
const noQueue: Uint8Array[] = [];
