import { ConnectionError, ErrorCode } from "./error-code.ts";
import { Flag, frameHeaderBytes, FrameType, readUint31 } from "./frame.ts";
import { largestFrame, mostSettings } from "./limits.ts";

/** What takes frames. Any of these may throw a {@link ConnectionError}. */
export type FrameSink = {
  /** A DATA frame begins, of so many bytes, its padding included. False: its body is not wanted. */
  dataBegins(stream: number, length: number): boolean;
  /** A part of the body of the DATA frame that began last. */
  dataPart(part: Buffer): void;
  /** The DATA frame that began last is whole. */
  dataEnds(isLast: boolean): void;
  /** Any other frame, whole, from `start` to `end`. */
  frame(
    type: number,
    flags: number,
    stream: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): void;
  /** A frame of an unknown type, which is skipped. */
  unknown(): void;
  /** Whether frames are taken any more. */
  readonly isClosed: boolean;
};

/**
 * Takes the chunks of a socket apart into frames, wherever they are cut. The body of a DATA frame is handed on as it comes;
 * other frames are put together in memory first, at most `largestFrame` bytes.
 */
export class FrameReader {
  readonly #sink: FrameSink;
  /** The begin of a frame that is not whole. */
  #held: Buffer | undefined;
  #heldLength = 0;
  #header: Buffer | undefined;
  /** Bytes of the current DATA frame's body, and of its padding, that are still to come; of a frame that is skipped. */
  #dataLeft = 0;
  #paddingLeft = 0;
  #isInData = false;
  #isWanted = false;
  #isLast = false;
  /** What is read is no DATA, but a frame of a type that nobody knows. */
  #isSkipped = false;
  /** The length of the padding is the next byte. */
  #awaitsPadding = false;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Whether a frame has begun that is held until it is whole. */
  get isHolding(): boolean {
    return this.#heldLength > 0;
  }

  /** Bytes that are held of a frame that is not whole. */
  get held(): number {
    return this.#held === undefined ? 0 : this.#held.length;
  }

  /** Throws a {@link ConnectionError}, and what the sink throws. */
  push(chunk: Buffer): void {
    const sink = this.#sink;
    const size = chunk.length;
    let at = 0;
    while (at < size || (this.#isInData && this.#dataLeft + this.#paddingLeft === 0)) {
      if (sink.isClosed) return;
      if (this.#isInData) {
        at = this.#readData(chunk, at);
        continue;
      }
      if (this.#heldLength > 0) {
        at = this.#hold(chunk, at);
        continue;
      }
      if (size - at < frameHeaderBytes) {
        this.#header ??= Buffer.allocUnsafeSlow(frameHeaderBytes);
        this.#heldLength = chunk.copy(this.#header, 0, at);
        return;
      }
      const length = lengthOf(chunk, at);
      const end = at + frameHeaderBytes + length;
      if (chunk[at + 3] === FrameType.data) {
        this.#beginData(chunk, at, length);
        at += frameHeaderBytes;
      } else if (end <= size) {
        this.#deliver(chunk, at, length);
        at = end;
      } else {
        this.#header ??= Buffer.allocUnsafeSlow(frameHeaderBytes);
        chunk.copy(this.#header, 0, at, at + frameHeaderBytes);
        this.#heldLength = frameHeaderBytes;
        this.#begin(this.#header);
        at += frameHeaderBytes;
      }
    }
  }

  /** Puts the frame together that began in an earlier chunk; returns where the rest begins. */
  #hold(chunk: Buffer, from: number): number {
    const header = this.#header as Buffer;
    let at = from;
    if (this.#held === undefined) {
      const copied = chunk.copy(
        header,
        this.#heldLength,
        at,
        at + frameHeaderBytes - this.#heldLength,
      );
      this.#heldLength += copied;
      at += copied;
      if (this.#heldLength === frameHeaderBytes) this.#begin(header);
      return at;
    }
    const held = this.#held;
    const copied = chunk.copy(held, this.#heldLength, at);
    this.#heldLength += copied;
    at += copied;
    if (this.#heldLength === held.length) {
      this.#release();
      this.#deliver(held, 0, held.length - frameHeaderBytes);
    }
    return at;
  }

  /** Of a frame whose nine bytes are there, and not all of the rest. */
  #begin(header: Buffer): void {
    const length = lengthOf(header, 0);
    const type = header[3] as number;
    if (type === FrameType.data) {
      this.#heldLength = 0;
      this.#beginData(header, 0, length);
      return;
    }
    checkLength(type, length);
    if (type > FrameType.continuation) {
      // Of a type that nobody knows nothing is kept.
      this.#heldLength = 0;
      this.#isInData = true;
      this.#isWanted = this.#isLast = false;
      this.#dataLeft = length;
      this.#isSkipped = true;
      return;
    }
    if (length === 0) {
      this.#heldLength = 0;
      this.#deliver(header, 0, 0);
      return;
    }
    this.#held = Buffer.allocUnsafeSlow(frameHeaderBytes + length);
    header.copy(this.#held);
  }

  #release(): void {
    this.#held = undefined;
    this.#heldLength = 0;
  }

  #deliver(bytes: Buffer, at: number, length: number): void {
    const type = bytes[at + 3] as number;
    checkLength(type, length);
    if (type > FrameType.continuation) return this.#sink.unknown();
    const start = at + frameHeaderBytes;
    const stream = readUint31(bytes, at + 5);
    this.#sink.frame(type, bytes[at + 4] as number, stream, bytes, start, start + length);
  }

  #beginData(bytes: Buffer, at: number, length: number): void {
    if (length > largestFrame) throw tooLarge(length);
    const flags = bytes[at + 4] as number;
    const isPadded = (flags & Flag.padded) !== 0;
    if (isPadded && length === 0)
      throw new ConnectionError(ErrorCode.frameSizeError, "a padded DATA frame is empty");
    this.#isLast = (flags & Flag.endStream) !== 0;
    this.#isInData = true;
    this.#isSkipped = false;
    this.#awaitsPadding = isPadded;
    this.#dataLeft = length;
    this.#paddingLeft = 0;
    this.#isWanted = this.#sink.dataBegins(readUint31(bytes, at + 5), length);
  }

  #readData(chunk: Buffer, from: number): number {
    let at = from;
    if (this.#awaitsPadding) {
      const padding = chunk[at++] as number;
      this.#awaitsPadding = false;
      this.#dataLeft -= 1;
      if (padding > this.#dataLeft)
        throw new ConnectionError(
          ErrorCode.protocolError,
          "the padding of a DATA frame is longer than the frame",
        );
      this.#dataLeft -= padding;
      this.#paddingLeft = padding;
    }
    const available = chunk.length - at;
    const taken = this.#dataLeft < available ? this.#dataLeft : available;
    if (taken > 0) {
      if (this.#isWanted) this.#sink.dataPart(chunk.subarray(at, at + taken));
      this.#dataLeft -= taken;
      at += taken;
    }
    if (this.#dataLeft > 0) return at;
    const skipped = Math.min(this.#paddingLeft, chunk.length - at);
    this.#paddingLeft -= skipped;
    at += skipped;
    if (this.#paddingLeft > 0) return at;
    this.#isInData = false;
    if (this.#isSkipped) this.#sink.unknown();
    else if (this.#isWanted) this.#sink.dataEnds(this.#isLast);
    return at;
  }
}

function lengthOf(bytes: Buffer, at: number): number {
  return (
    ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number)
  );
}

function tooLarge(length: number): ConnectionError {
  const text = `a frame has ${length} bytes, the limit is ${largestFrame}`;
  return new ConnectionError(ErrorCode.frameSizeError, text);
}

/** The lengths of frames that have one, before anything of them is kept. */
function checkLength(type: number, length: number): void {
  if (length > largestFrame) throw tooLarge(length);
  let isWrong = false;
  switch (type) {
    case FrameType.priority:
      isWrong = length !== 5;
      break;
    case FrameType.rstStream:
    case FrameType.windowUpdate:
      isWrong = length !== 4;
      break;
    case FrameType.ping:
      isWrong = length !== 8;
      break;
    case FrameType.goaway:
      isWrong = length < 8;
      break;
    case FrameType.settings:
      if (length > mostSettings * 6)
        throw new ConnectionError(
          ErrorCode.enhanceYourCalm,
          "a SETTINGS frame has too many settings",
        );
      isWrong = length % 6 !== 0;
      break;
    default:
  }
  if (isWrong)
    throw new ConnectionError(
      ErrorCode.frameSizeError,
      `a frame of type ${type} has ${length} bytes`,
    );
}
