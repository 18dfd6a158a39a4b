import type { IncomingMessage, ServerResponse } from "node:http";
import type { HeaderRecord } from "../http2/header-block.ts";
import { bytesPassed } from "../memory/garbage-collection.ts";
import type { BodyReader, HttpExchange } from "../rpc/http-exchange.ts";

/** A request over HTTP/1.1, by Node's own server. */
export class Http1Exchange implements HttpExchange {
  readonly isHttp2 = false;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  #reader: BodyReader | undefined;

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.#request = request;
    this.#response = response;
    // An error is the caller's going away, which `close` tells too.
    request.on("error", ignore);
    response.on("error", ignore);
    response.once("finish", () => this.#discard());
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
    request.on("data", (chunk: Buffer) => {
      if (this.#reader === undefined) bytesPassed(chunk.length);
      else this.#reader.data(chunk);
    });
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

  onBodyOver(done: () => void): void {
    const request = this.#request;
    if (request.readableEnded || request.destroyed) return done();
    let isDone = false;
    const once = (): void => {
      if (!isDone) done();
      isDone = true;
    };
    request.once("end", once);
    request.once("close", once);
  }

  setHeader(name: string, value: string | readonly string[]): void {
    if (!this.#response.headersSent) this.#response.setHeader(name, value);
  }

  get headersSent(): boolean {
    return this.#response.headersSent;
  }

  answer(status: number, body?: Uint8Array): void {
    const response = this.#response;
    response.statusCode = status;
    if (body === undefined) return void response.end();
    response.setHeader("content-length", body.length);
    response.end(body);
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
    for (let at = 0; at + 1 < trailers.length; at += 2)
      response.addTrailers([[trailers[at] ?? "", trailers[at + 1] ?? ""]]);
    response.end();
  }

  get isEnded(): boolean {
    return this.#response.writableEnded;
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
   * Node reads no more from a connection whose request was read only in part, as one above the limit is: the next
   * request on it would never be answered.
   */
  #discard(): void {
    const request = this.#request;
    if (request.readableEnded || request.destroyed) return;
    this.#forget();
    request.resume();
  }
}

function ignore(): void {}
