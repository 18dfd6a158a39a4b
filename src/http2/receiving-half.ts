import type { Duplex } from "node:stream";
import { ClosedStreams } from "./closed-streams.ts";
import { ConnectionError, ErrorCode } from "./error-code.ts";
import { Flag, FrameType, initialWindow, largestWindow, readUint31, readUint32 } from "./frame.ts";
import { FrameReader, type FrameSink } from "./frame-reader.ts";
import { HeaderAssembly, type EncodedBlock } from "./header-assembly.ts";
import type { HeaderBlock } from "./header-block.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import { HpackError } from "./hpack-error.ts";
import {
  connectionWindow,
  headerTable,
  looksToWait,
  mostCredit,
  mostIdleFrames,
  usefulBytes,
} from "./limits.ts";
import { pingMark, SendingHalf } from "./sending-half.ts";
import { readSettings, type Settings } from "./settings.ts";
import type { Http2Stream } from "./stream.ts";
import { StreamTable } from "./stream-table.ts";

/** What a connection receives: the frames of the other side, and what they break (RFC 9113, sections 5 and 6). */
export abstract class ReceivingHalf extends SendingHalf implements FrameSink {
  protected readonly streams = new StreamTable<Http2Stream>();
  protected readonly closedStreams: ClosedStreams = new ClosedStreams();
  /** What the other side takes of a new stream before it says more. */
  protected peerWindow = initialWindow;
  /** The first SETTINGS have come. */
  protected hasSettings = false;
  readonly #reader: FrameReader;
  readonly #assembly: HeaderAssembly;
  readonly #decoder: HpackDecoder;
  #receiveWindow = connectionWindow;
  #unacknowledged = 0;
  #idleFrames = 0;
  #isSettingsAcknowledged = false;
  #looks = 0;
  #partialLooks = 0;
  #partialMark = 0;
  #frames = 0;
  #pings: { readonly id: number; readonly done: () => void }[] = [];
  #data: Http2Stream | undefined;
  #dataLength = 0;
  #dataBody = 0;

  constructor(socket: Duplex, largestHeaders: number) {
    super(socket);
    this.#reader = new FrameReader(this);
    this.#assembly = new HeaderAssembly(largestHeaders);
    this.#decoder = new HpackDecoder({ maxTableSize: headerTable, maxListSize: largestHeaders });
  }

  /** A header block of the other side. */
  protected abstract receiveHeaders(id: number, block: HeaderBlock, isLast: boolean): void;
  /** Whether a stream of this id was never opened. */
  protected abstract isIdle(stream: number): boolean;
  protected abstract receiveSettings(settings: Settings, isFirst: boolean): void;
  protected abstract receiveGoaway(lastStream: number, code: number, text: string): void;

  /** Calls back once the other side has answered; never when the connection goes. */
  ping(done: () => void): void {
    if (!this.isClosed) this.#pings.push({ id: this.writePing(), done });
  }

  // What follows is called by streams.

  consumed(bytes: number): void {
    this.moved += bytes;
    this.#unacknowledged += bytes;
    if (this.#unacknowledged < connectionWindow / 2 || this.isClosed) return;
    this.#receiveWindow += this.#unacknowledged;
    this.writeWindowUpdate(0, this.#unacknowledged);
    this.#unacknowledged = 0;
  }

  // What follows is called by the reader of frames.

  dataBegins(id: number, length: number): boolean {
    this.#frames += 1;
    this.#checkOrder();
    if (id === 0) throw ofNoStream("DATA");
    this.#receiveWindow -= length;
    if (this.#receiveWindow < 0)
      throw new ConnectionError(
        ErrorCode.flowControlError,
        "the window of the connection was exceeded",
      );
    const known = this.#data;
    const stream = known !== undefined && known.id === id ? known : this.streams.get(id);
    if (stream === undefined) {
      this.#dataOfClosed(id, length);
      this.consumed(length);
      return false;
    }
    const wrong = stream.dataBegins(length);
    if (wrong !== ErrorCode.noError) {
      this.consumed(length);
      stream.reset(wrong, wrongData[wrong]);
      return false;
    }
    this.#data = stream;
    this.#dataLength = length;
    this.#dataBody = 0;
    return true;
  }

  dataPart(part: Buffer): void {
    this.#dataBody += part.length;
    const stream = this.#data;
    if (stream === undefined) return this.consumed(part.length);
    try {
      if (!stream.receive(part))
        stream.reset(ErrorCode.protocolError, "the body is longer than content-length says");
    } catch (error) {
      this.failed(stream, error);
    }
  }

  dataEnds(isLast: boolean): void {
    // Padding brings nothing.
    if (this.#dataBody >= usefulBytes || isLast) this.useful(1);
    else this.idle();
    const padding = this.#dataLength - this.#dataBody;
    const stream = this.#data;
    if (padding > 0) {
      if (stream === undefined) this.consumed(padding);
      else stream.consumed(padding);
    }
    if (isLast && stream !== undefined) this.receiveEnd(stream, undefined);
  }

  unknown(): void {
    this.#frames += 1;
    this.#checkOrder();
    this.idle();
  }

  frame(
    type: number,
    flags: number,
    stream: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    this.#frames += 1;
    const assembly = this.#assembly;
    if (type === FrameType.continuation && assembly.stream > 0 && assembly.stream === stream)
      return this.#decode(assembly.go(flags, bytes, start, end));
    if (type === FrameType.settings && !this.hasSettings && assembly.stream === 0)
      return this.#settings(flags, stream, bytes, start, end);
    this.#checkOrder();
    switch (type) {
      case FrameType.headers:
        if (stream === 0) throw ofNoStream("HEADERS");
        return this.#decode(assembly.begin(flags, stream, bytes, start, end));
      case FrameType.windowUpdate:
        return this.#windowUpdate(stream, readUint31(bytes, start));
      case FrameType.rstStream:
        return this.#rstStream(stream, readUint32(bytes, start));
      case FrameType.settings:
        return this.#settings(flags, stream, bytes, start, end);
      case FrameType.ping:
        if (stream !== 0) throw ofStream("PING");
        return this.#ping(flags, readUint32(bytes, start), readUint32(bytes, start + 4));
      case FrameType.goaway: {
        if (stream !== 0) throw ofStream("GOAWAY");
        this.idle();
        const text = bytes.toString("latin1", start + 8, Math.min(end, start + 8 + mostDebugText));
        return this.receiveGoaway(readUint31(bytes, start), readUint32(bytes, start + 4), text);
      }
      case FrameType.priority:
        return this.#priority(stream, readUint31(bytes, start));
      default: {
        const name = type === FrameType.continuation ? "CONTINUATION" : "PUSH_PROMISE";
        throw new ConnectionError(ErrorCode.protocolError, `${name} was not expected`);
      }
    }
  }

  // What follows is for the connection and its two sides.

  /** Bytes that are held of what is not whole. */
  protected get heldInParts(): number {
    return this.#reader.held + this.#assembly.held;
  }

  /** Takes chunks apart. */
  protected push(chunk: Buffer): void {
    this.#reader.push(chunk);
  }

  /** The other side's message is whole. */
  protected receiveEnd(stream: Http2Stream, trailers: HeaderBlock | undefined): void {
    try {
      if (!stream.receivedAll(trailers))
        stream.reset(ErrorCode.protocolError, "the body is shorter than content-length says");
    } catch (error) {
      this.failed(stream, error);
    }
  }

  /** A frame that brings something makes up for so many that bring nothing. */
  protected override useful(frames: number): void {
    const left = this.#idleFrames - frames;
    this.#idleFrames = left > -mostCredit ? left : -mostCredit;
  }

  /** What a listener threw is a fault of this side: it ends its stream. */
  protected override failed(stream: Http2Stream, error: unknown): void {
    stream.reset(ErrorCode.internalError, String(error));
  }

  /** A stream is over: what still comes of it is no data. */
  protected forgetData(stream: Http2Stream): void {
    if (this.#data === stream) this.#data = undefined;
  }

  /** Called each `lookInterval`: ends a connection that does not get on. */
  look(): void {
    if (this.#idleFrames > 0) this.#idleFrames = 0;
    if (!this.hasSettings || !this.#isSettingsAcknowledged) {
      this.#looks += 1;
      if (this.#looks > looksToWait) {
        const code = this.hasSettings ? ErrorCode.settingsTimeout : ErrorCode.protocolError;
        return this.destroy(code, "the other side did not begin to speak HTTP/2 in time");
      }
    }
    const assembly = this.#assembly;
    // A frame or a block that is not whole is known by its number.
    let mark = 0;
    if (assembly.stream > 0) mark = -assembly.serial;
    else if (this.#reader.isHolding) mark = this.#frames + 1;
    this.#partialLooks = mark !== 0 && mark === this.#partialMark ? this.#partialLooks + 1 : 0;
    this.#partialMark = mark;
    if (this.#partialLooks >= looksToWait)
      this.destroy(
        ErrorCode.enhanceYourCalm,
        "a frame or a header block did not become whole in time",
      );
  }

  #checkOrder(): void {
    if (this.#assembly.stream > 0)
      throw new ConnectionError(
        ErrorCode.protocolError,
        "another frame came within a header block",
      );
    if (!this.hasSettings)
      throw new ConnectionError(ErrorCode.protocolError, "the first frame is not SETTINGS");
  }

  /** A frame that brings nothing. */
  protected idle(): void {
    this.#idleFrames += 1;
    if (this.#idleFrames > mostIdleFrames)
      throw new ConnectionError(ErrorCode.enhanceYourCalm, "too many frames bring nothing");
  }

  #decode(encoded: EncodedBlock | undefined): void {
    if (encoded === undefined) return;
    const { stream, isLast, bytes, start, end } = encoded;
    let block: HeaderBlock;
    try {
      block = this.#decoder.decode(bytes, start, end);
    } catch (error) {
      if (!(error instanceof HpackError)) throw error;
      throw new ConnectionError(ErrorCode.compressionError, error.message);
    }
    this.receiveHeaders(stream, block, isLast);
  }

  #dataOfClosed(id: number, length: number): void {
    if (this.isIdle(id)) throw ofIdle("DATA");
    if (length < usefulBytes) this.idle();
    const how = this.closedStreams.find(id);
    // Of one that ended long ago it is not known.
    if (how === "ended" || how === "byPeer") this.writeReset(id, ErrorCode.streamClosed);
  }

  #windowUpdate(id: number, bytes: number): void {
    this.idle();
    if (id === 0) {
      if (bytes === 0) throw new ConnectionError(ErrorCode.protocolError, "a WINDOW_UPDATE is 0");
      this.sendWindow += bytes;
      if (this.sendWindow > largestWindow)
        throw new ConnectionError(
          ErrorCode.flowControlError,
          "the window of the connection is too large",
        );
      this.schedule();
      return;
    }
    const stream = this.streams.get(id);
    if (stream === undefined) {
      if (this.isIdle(id)) throw ofIdle("WINDOW_UPDATE");
    } else if (bytes === 0) stream.reset(ErrorCode.protocolError, "a WINDOW_UPDATE is 0");
    else this.#widen(stream, bytes);
  }

  #widen(stream: Http2Stream, bytes: number): void {
    stream.sendWindow += bytes;
    if (stream.sendWindow > largestWindow)
      stream.reset(ErrorCode.flowControlError, "the window of the stream is too large");
    else if (stream.waiting > 0) this.wait(stream);
  }

  #rstStream(id: number, code: number): void {
    const stream = id === 0 ? undefined : this.streams.get(id);
    if (stream === undefined) {
      if (id === 0) throw ofNoStream("RST_STREAM");
      if (this.isIdle(id)) throw ofIdle("RST_STREAM");
      // From now on nothing of it is on its way any more.
      if (this.closedStreams.find(id) === "byUs") this.closedStreams.add(id, "byPeer");
      return this.idle();
    }
    const isUnprocessed = code === ErrorCode.refusedStream;
    stream.close({ code, by: "peer", isUnprocessed, reason: "the other side reset the stream" });
  }

  #settings(flags: number, stream: number, bytes: Buffer, start: number, end: number): void {
    if (stream !== 0) throw ofStream("SETTINGS");
    if ((flags & Flag.ack) !== 0) {
      if (end > start)
        throw new ConnectionError(ErrorCode.frameSizeError, "SETTINGS with ACK has settings");
      if (!this.hasSettings)
        throw new ConnectionError(ErrorCode.protocolError, "the first frame is not SETTINGS");
      this.#isSettingsAcknowledged = true;
      return this.idle();
    }
    const settings = readSettings(bytes, start, end);
    const isFirst = !this.hasSettings;
    this.hasSettings = true;
    if (!isFirst) this.idle();
    if (settings.headerTableSize !== undefined)
      this.encoder.setPeerTableSize(settings.headerTableSize);
    if (settings.initialWindowSize !== undefined) this.#resize(settings.initialWindowSize);
    this.writeSettingsAck();
    this.receiveSettings(settings, isFirst);
  }

  #resize(window: number): void {
    const difference = window - this.peerWindow;
    this.peerWindow = window;
    if (difference === 0) return;
    for (const stream of this.streams.values()) {
      stream.sendWindow += difference;
      if (stream.sendWindow > largestWindow)
        throw new ConnectionError(ErrorCode.flowControlError, "SETTINGS make a window too large");
      if (stream.waiting > 0) this.wait(stream);
    }
    // Each is a microsecond for some streams.
    this.#idleFrames += this.streams.size >>> 5;
  }

  #ping(flags: number, first: number, second: number): void {
    this.idle();
    if ((flags & Flag.ack) === 0) return this.writePong(first, second);
    const at = first === pingMark ? this.#pings.findIndex(({ id }) => id === second) : -1;
    for (const { done } of this.#pings.splice(0, at + 1)) done();
  }

  #priority(stream: number, dependency: number): void {
    if (stream === 0) throw ofNoStream("PRIORITY");
    this.idle();
    if (dependency === stream)
      throw new ConnectionError(ErrorCode.protocolError, "a stream depends on itself");
  }
}

/** Of the text of a GOAWAY so many bytes are kept. */
const mostDebugText = 256;

/** Why a DATA frame is wrong, by the code of the error. */
const wrongData: Readonly<Record<number, string>> = {
  [ErrorCode.streamClosed]: "DATA came after the end",
  [ErrorCode.protocolError]: "DATA came before the head",
  [ErrorCode.flowControlError]: "the window of the stream was exceeded",
};

function ofNoStream(frame: string): ConnectionError {
  return new ConnectionError(ErrorCode.protocolError, `${frame} belongs to no stream`);
}

function ofStream(frame: string): ConnectionError {
  return new ConnectionError(ErrorCode.protocolError, `${frame} belongs to a stream`);
}

function ofIdle(frame: string): ConnectionError {
  return new ConnectionError(ErrorCode.protocolError, `${frame} of a stream that was never opened`);
}
