import { ErrorCode } from "../http2/error-code.ts";
import type { HeaderBlock, HeaderRecord } from "../http2/header-block.ts";
import type { Http2Stream, StreamListener } from "../http2/stream.ts";
import { bytesPassed } from "../memory/garbage-collection.ts";
import { endUnread } from "../grpc/unread.ts";
import { watchedCalls, type WatchedCall } from "../grpc/watched-calls.ts";
import type { BodyReader, HttpExchange } from "../rpc/http-exchange.ts";

/** Headers that speak of a connection of HTTP/1.1, which HTTP/2 has none of (RFC 9113, 8.2.2). */
const ofConnection: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

/** A request over HTTP/2 that is none of gRPC's fast path. Nothing of its body is taken before it is read. */
export class Http2Exchange implements HttpExchange, StreamListener, WatchedCall {
  readonly isHttp2 = true;
  readonly method: string;
  readonly target: string;
  readonly turn = "reader";
  readonly received = 0;
  watchPlace = -1;
  readonly #stream: Http2Stream;
  readonly #head: HeaderBlock;
  readonly #headers = new Map<string, string | readonly string[]>();
  #reader: BodyReader | undefined;
  #isBodyOver = false;
  #drained: (() => void)[] = [];
  #onClosed: (() => void)[] = [];

  constructor(stream: Http2Stream, head: HeaderBlock) {
    this.#stream = stream;
    this.#head = head;
    this.method = head.get(":method") ?? "";
    this.target = head.get(":path") ?? "";
    stream.pause();
  }

  get isSecure(): boolean {
    return "encrypted" in this.#stream.connection.socket;
  }

  get(name: string): string | undefined {
    return this.#head.get(name);
  }

  get record(): HeaderRecord {
    return this.#head.record;
  }

  get localAddress(): string | undefined {
    const { socket } = this.#stream.connection;
    return "localAddress" in socket && typeof socket.localAddress === "string"
      ? socket.localAddress
      : undefined;
  }

  read(reader: BodyReader): void {
    this.#reader = reader;
    if (this.#stream.isClosed) queueMicrotask(() => this.#bodyOver(false));
    else this.#stream.resume();
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  setHeader(name: string, value: string | readonly string[]): void {
    const lower = name.toLowerCase();
    if (!ofConnection.has(lower)) this.#headers.set(lower, value);
  }

  get headersSent(): boolean {
    return this.#stream.headersSent;
  }

  answer(status: number, body?: Uint8Array): void {
    const stream = this.#stream;
    if (stream.isClosed) return;
    if (body !== undefined) this.setHeader("content-length", String(body.length));
    const isBare = body === undefined || body.length === 0 || this.method === "HEAD";
    const fields = this.#fields(status);
    if (isBare) {
      stream.sendHeaders(fields, true);
      if (this.#isRestUnwanted) stream.endEarly();
    } else if (this.#isRestUnwanted) {
      stream.sendHeaders(fields);
      stream.endEarly(body);
    } else stream.sendWhole(fields, body);
    this.#ended();
  }

  begin(status: number): void {
    if (!this.#stream.isClosed) this.#stream.sendHeaders(this.#fields(status));
  }

  write(bytes: Uint8Array): boolean {
    return this.#stream.write(bytes);
  }

  whenDrained(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#stream.isClosed) resolve();
      else this.#drained.push(resolve);
    });
  }

  end(trailers?: readonly string[]): void {
    const stream = this.#stream;
    const last = trailers?.length === 0 ? undefined : trailers;
    if (this.#isRestUnwanted) stream.endEarly(undefined, last);
    else stream.end(undefined, last);
    this.#ended();
  }

  get isEnded(): boolean {
    return this.#stream.isEnded;
  }

  abort(): void {
    this.#stream.reset(ErrorCode.cancel);
  }

  get isClosed(): boolean {
    return this.#stream.isClosed;
  }

  onClosed(done: () => void): void {
    if (this.#stream.isClosed) done();
    else this.#onClosed.push(done);
  }

  // What the stream tells.

  data(chunk: Buffer): void {
    if (this.#reader === undefined) bytesPassed(chunk.length);
    else this.#reader.data(chunk);
  }

  ended(): void {
    this.#bodyOver(true);
  }

  drained(): void {
    const waiting = this.#drained;
    this.#drained = [];
    for (const resolve of waiting) resolve();
  }

  closed(): void {
    watchedCalls.forget(this);
    this.#bodyOver(false);
    this.drained();
    const told = this.#onClosed;
    this.#onClosed = [];
    for (const done of told) done();
  }

  // What those who look after slow calls ask.

  /** Who sends slowly is looked after by whoever reads. */
  endSlow(): void {}

  limitReading(milliseconds: number): void {
    endUnread(this.#stream, milliseconds);
  }

  /** The sender has to be told; but where there is nothing to send, the end is on its way, and nothing is saved. */
  get #isRestUnwanted(): boolean {
    return !this.#stream.isReceived && this.method !== "GET" && this.method !== "HEAD";
  }

  #fields(status: number): string[] {
    const fields = [":status", String(status)];
    for (const [name, value] of this.#headers) {
      if (typeof value === "string") fields.push(name, trimmed(value));
      else for (const one of value) fields.push(name, trimmed(one));
    }
    fields.push("date", httpDate());
    return fields;
  }

  /** The rest of the body is nobody's, and goes by until its sender was told so. */
  #ended(): void {
    if (this.#stream.isClosed) return;
    watchedCalls.watch(this);
    const reader = this.#reader;
    this.#reader = undefined;
    if (!this.#isBodyOver) reader?.gone();
    this.#stream.resume();
  }

  #bodyOver(isWhole: boolean): void {
    if (this.#isBodyOver) return;
    this.#isBodyOver = true;
    const reader = this.#reader;
    this.#reader = undefined;
    if (isWhole) reader?.ended();
    else reader?.gone();
  }
}

/** Blanks around a value mean nothing, and HTTP/2 does not carry them. */
function trimmed(value: string): string {
  return value.replaceAll(/^[ \t]+|[ \t]+$/g, "");
}

let second = 0;
let date = "";

/** The time as the header `date` says it, made once a second. */
function httpDate(): string {
  const now = Math.floor(Date.now() / 1000);
  if (now !== second) {
    second = now;
    date = new Date(now * 1000).toUTCString();
  }
  return date;
}
