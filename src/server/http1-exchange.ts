import type { IncomingMessage, ServerResponse } from "node:http";
import type { HeaderRecord } from "../http2/header-block.ts";
import { bytesPassed } from "../memory/garbage-collection.ts";
import { isDribble, type BodyReader, type HttpExchange } from "../rpc/http-exchange.ts";

/** A request over HTTP/1.1, by Node's own server. */
export class Http1Exchange implements HttpExchange {
  readonly isHttp2 = false;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  #reader: BodyReader | undefined;
  #isEnded = false;
  #isLast = false;
  #isDiscarding = false;

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.#request = request;
    this.#response = response;
    // An error is the caller's going away, which `close` tells too.
    request.on("error", ignore);
    response.on("error", ignore);
    response.once("prefinish", () => this.#discard());
  }

  get isSecure(): boolean {
    return "encrypted" in this.#request.socket;
  }

  get method(): string {
    return this.#request.method ?? "";
  }

  get target(): string {
    return this.#request.url ?? "";
  }

  get(name: string): string | undefined {
    const value = this.#request.headers[name];
    return typeof value === "object" ? value.join(", ") : value;
  }

  get record(): HeaderRecord {
    return this.#request.headers;
  }

  get localAddress(): string | undefined {
    return this.#request.socket.localAddress;
  }

  read(reader: BodyReader): void {
    const request = this.#request;
    this.#reader = reader;
    request.on("data", (chunk: Buffer) => this.#reader?.data(chunk));
    request.once("end", () => {
      this.#reader?.ended();
      this.#reader = undefined;
    });
    request.once("close", () => this.#forget());
    if (request.destroyed) queueMicrotask(() => this.#forget());
  }

  pause(): void {
    this.#request.pause();
  }

  resume(): void {
    this.#request.resume();
  }

  setHeader(name: string, value: string | readonly string[]): void {
    if (this.#response.headersSent) return;
    this.#response.setHeader(name, value);
    if (name === "connection") this.#isLast = value === "close";
  }

  get headersSent(): boolean {
    return this.#response.headersSent;
  }

  answer(status: number, body?: Uint8Array): void {
    const response = this.#response;
    if (this.#isEnded) return;
    this.#isEnded = true;
    response.statusCode = status;
    if (body === undefined) return void response.end();
    response.setHeader("content-length", body.length);
    const isClosing = this.#isLast || !response.shouldKeepAlive;
    if (!isClosing || this.#request.complete) return void response.end(body);
    // To end the answer closes the connection, which would take it from a caller that still sends.
    response.write(body);
    this.#discard();
    this.#request.once("close", () => response.end());
  }

  begin(status: number): void {
    this.#response.writeHead(status);
  }

  write(bytes: Uint8Array): boolean {
    return this.#response.write(bytes) || this.#response.destroyed;
  }

  whenDrained(): Promise<void> {
    const response = this.#response;
    return new Promise((resolve) => {
      if (response.destroyed) return resolve();
      const done = (): void => {
        response.off("drain", done);
        response.off("close", done);
        resolve();
      };
      response.on("drain", done);
      response.on("close", done);
    });
  }

  end(trailers: readonly string[] = []): void {
    const response = this.#response;
    this.#isEnded = true;
    for (let at = 0; at + 1 < trailers.length; at += 2)
      response.addTrailers([[trailers[at] ?? "", trailers[at + 1] ?? ""]]);
    response.end();
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  abort(): void {
    this.#request.socket.destroy();
  }

  get isClosed(): boolean {
    return this.#response.destroyed;
  }

  onClosed(done: () => void): void {
    if (this.#response.destroyed) done();
    else this.#response.once("close", done);
  }

  #forget(): void {
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.gone();
  }

  /**
   * Reads the rest of the body and throws it away, as Node does not come to the next request before; but not without end.
   */
  #discard(): void {
    const request = this.#request;
    if (request.readableEnded || request.destroyed || this.#isDiscarding) return;
    this.#isDiscarding = true;
    this.#forget();
    const { socket } = request;
    const timer = setTimeout(() => socket.destroy(), longestRest);
    for (const event of ["end", "close"]) request.once(event, () => clearTimeout(timer));
    let bytes = 0;
    let chunks = 0;
    request.on("data", ({ length }: Buffer) => {
      bytesPassed(length);
      bytes += length;
      chunks += 1;
      if (bytes > largestRest || isDribble(bytes, chunks)) socket.destroy();
    });
    request.resume();
  }
}

/** What still comes of a request that was answered is read for so long, in milliseconds, and so many bytes. */
const longestRest = 5000;
const largestRest = 64 * 1024 * 1024;

function ignore(): void {}
