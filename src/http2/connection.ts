import type { Duplex } from "node:stream";
import type { StreamEnd } from "./closed-streams.ts";
import type { ConnectionGroup, GroupMember } from "./connection-group.ts";
import { ConnectionError, ErrorCode } from "./error-code.ts";
import { initialWindow, Setting } from "./frame.ts";
import {
  connectionOverhead,
  connectionWindow,
  largestFrame,
  lastWords,
  manyConnections,
  looksToWait,
  streamWindow,
} from "./limits.ts";
import { ReceivingHalf } from "./receiving-half.ts";
import { settingsFrame } from "./settings.ts";
import type { Http2Stream, StreamCarrier, StreamReset } from "./stream.ts";

/** What is held moves on while at least such a part of it does so between two looks: a slow reader is not a stuck one. */
const movedOf = 64;

/** What both sides of a connection have in common (RFC 9113): frames, flow control, settings, and its end. */
export abstract class Http2Connection extends ReceivingHalf implements StreamCarrier, GroupMember {
  /** No new streams are taken, or can be opened. */
  isGoingAway = false;
  /** Bytes that are held for it beside its open streams: what was not read, and what was not taken. */
  held = 0;
  protected readonly group: ConnectionGroup<Http2Connection>;
  /** Streams that are over while work goes on for them. */
  #lingering = 0;
  #stuckLooks = 0;
  #countedRead = 0;

  constructor(socket: Duplex, group: ConnectionGroup<Http2Connection>, largestHeaders: number) {
    super(socket, largestHeaders);
    this.group = group;
  }

  /** Streams that are open, and those that are over while work goes on for them. */
  get openStreams(): number {
    return this.streams.size + this.#lingering;
  }

  /** Lets streams end, and then closes. */
  abstract close(): void;
  /** Takes bytes of the other side. */
  protected abstract receive(chunk: Buffer): void;
  /** The latest stream of the other side that was taken; 0: none was. */
  protected abstract readonly lastTaken: number;
  /** A stream is over. */
  protected abstract streamEnded(): void;
  /** The connection is over, and its streams were told. */
  protected abstract connectionEnded(reason: string): void;

  /** Begins to speak and to read. `first`: what was read already. */
  protected begin(
    hello: Buffer | undefined,
    settings: readonly (readonly [id: number, value: number])[],
    first: Buffer | undefined,
  ): void {
    const { socket, output } = this;
    this.group.add(this);
    this.count(connectionOverhead);
    if (hello !== undefined) output.add(hello);
    output.add(
      settingsFrame([
        ...settings,
        [Setting.initialWindowSize, streamWindow],
        [Setting.maxFrameSize, largestFrame],
      ]),
    );
    this.writeWindowUpdate(0, connectionWindow - initialWindow);
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("end", () => this.#gone("the other side ended the connection"));
    socket.on("error", (error: Error) => this.#gone(error.message));
    socket.on("close", () => this.#gone("the connection was closed"));
    if (first !== undefined && first.length > 0) this.#read(first);
  }

  /** Ends it at once: the other side is told the code, and streams that they are over. */
  override destroy(code: number = ErrorCode.noError, reason = "the connection was closed"): void {
    if (this.isClosed) return;
    this.writeGoaway(this.lastTaken, code, code === ErrorCode.noError ? "" : reason);
    this.end(code, reason);
  }

  // What follows is called by streams.

  override count(bytes: number): void {
    this.held += bytes;
    this.group.count(bytes);
  }

  ended(stream: Http2Stream, how: StreamEnd): void {
    this.streams.delete(stream.id);
    this.forgetReady(stream);
    this.forgetData(stream);
    this.closedStreams.add(stream.id, how);
    if (stream.isRetained) this.#lingering += 1;
    if (stream.reserved > 0) this.group.count(-stream.reserved);
    this.moved += stream.reserved;
    if (!this.isClosed) this.streamEnded();
  }

  released(): void {
    this.#lingering -= 1;
  }

  // What follows is called by the group.

  override look(): void {
    this.#stuckLooks = this.moved < this.held / movedOf ? this.#stuckLooks + 1 : 0;
    this.moved = 0;
    super.look();
  }

  get isStuck(): boolean {
    return this.#stuckLooks >= looksToWait;
  }

  owed(): number {
    let bytes = this.output.unsent + this.heldInParts;
    // So many that do nothing can be a burden too.
    if (this.streams.size === 0 && this.group.connections.size > manyConnections)
      bytes += connectionOverhead + 1;
    for (const stream of this.streams.values()) {
      if (stream.waiting > 0 || !stream.isReceived) bytes += stream.reserved + stream.waiting;
    }
    return bytes;
  }

  giveUp(): void {
    this.destroy(
      ErrorCode.enhanceYourCalm,
      "the connection holds the most of a memory that is used up",
    );
  }

  /** The connection is over once what was written is out. Streams are told. */
  protected end(code: number, reason: string): void {
    if (this.isClosed) return;
    this.output.flush();
    const { socket } = this;
    this.#close({ code, by: "connection", isUnprocessed: false, reason });
    socket.end();
    const timer = setTimeout(() => socket.destroy(), lastWords);
    timer.unref();
    socket.once("close", () => clearTimeout(timer));
  }

  #read(chunk: Buffer): void {
    if (this.isClosed) return;
    try {
      this.receive(chunk);
    } catch (error) {
      if (error instanceof ConnectionError) this.destroy(error.code, error.message);
      else this.destroy(ErrorCode.internalError, String(error));
      return;
    }
    const held = this.heldInParts;
    if (held === this.#countedRead) return;
    this.count(held - this.#countedRead);
    this.#countedRead = held;
  }

  #gone(reason: string): void {
    if (this.isClosed) return;
    const { socket } = this;
    this.#close({ code: ErrorCode.noError, by: "connection", isUnprocessed: false, reason });
    socket.destroy();
  }

  #close(reset: StreamReset): void {
    this.isClosed = true;
    for (const stream of this.streams.values()) stream.cut(reset);
    this.dropOutput();
    this.count(-this.#countedRead - connectionOverhead);
    this.#countedRead = 0;
    this.group.remove(this);
    this.connectionEnded(reset.reason);
  }
}
