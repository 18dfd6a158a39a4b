import type { IncomingMessage, ServerResponse } from "node:http";
import { bytesPassed } from "../memory/garbage-collection.ts";
import { tooSlow, watchedCalls, type WatchedCall } from "../grpc/watched-calls.ts";

/**
 * Has a request over HTTP/1.1 end, whoever serves it, when its body stops or drips, or its answer is not read.
 * `mayPause`: the body is a stream, in which its sender may be silent for as long as it likes.
 */
export function watchRequest(
  request: IncomingMessage,
  response: ServerResponse,
  mayPause: boolean,
): void {
  const watched = new WatchedRequest(request, response, mayPause);
  watchedCalls.watch(watched);
  response.once("close", () => watchedCalls.forget(watched));
  // Answered before anybody read the body: what still comes of it is read and thrown away.
  response.once("prefinish", () => {
    if (!request.complete && request.readableFlowing === null)
      request.on("data", (chunk: Buffer) => bytesPassed(chunk.length));
  });
}

class WatchedRequest implements WatchedCall {
  watchPlace = -1;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #mayPause: boolean;
  readonly #before: number;

  constructor(request: IncomingMessage, response: ServerResponse, mayPause: boolean) {
    this.#request = request;
    this.#response = response;
    this.#mayPause = mayPause;
    this.#before = request.socket.bytesRead;
  }

  get turn(): WatchedCall["turn"] {
    if (!this.#request.complete) return this.#mayPause ? "server" : "sender";
    return this.#response.writableEnded ? "reader" : "server";
  }

  get received(): number {
    return this.#request.socket.bytesRead - this.#before;
  }

  endSlow(): void {
    const response = this.#response;
    if (response.headersSent) return void this.#request.socket.destroy();
    response.writeHead(408, { connection: "close", "content-type": "text/plain; charset=utf-8" });
    response.end(`${tooSlow}\n`);
  }

  limitReading(milliseconds: number): void {
    const { socket } = this.#request;
    const before = socket.timeout ?? 0;
    const cut = (): void => void socket.destroy();
    socket.setTimeout(milliseconds, cut);
    this.#response.once("finish", () => {
      socket.off("timeout", cut);
      // A server with a limit of its own for idle connections has set that by now.
      if (socket.timeout === milliseconds) socket.setTimeout(before);
    });
  }
}
