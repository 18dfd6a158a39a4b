import type { IncomingMessage, ServerResponse } from "node:http";
import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { Code, encodeGrpcMessage } from "../grpc/status.ts";
import type { HttpRequest, HttpResponse } from "../rpc/http-message.ts";
import { callerCheck, isGrpcOfProgram, type CallerCheck, type CallerRules } from "./callers.ts";

/** How many different refusals are told; strangers may make up as many as they like. */
const mostTold = 20;

/** Applies a {@link callerCheck} to requests before anything of them is done, and answers those that may not go on. */
export class CallerGate {
  readonly #check: CallerCheck;
  readonly #onRefused: (message: string) => void;
  readonly #told = new Set<string>();

  /** `onRefused` is called once for each text, twenty times at most. */
  constructor(rules: CallerRules, onRefused: (message: string) => void = () => {}) {
    this.#check = callerCheck(rules);
    this.#onRefused = onRefused;
  }

  /** Whether a request over HTTP/1.1 may go on; one that may not is answered. */
  admitsRequest(request: HttpRequest | IncomingMessage, response: HttpResponse): boolean {
    const { method, url, headers, socket } = request;
    const verdict = this.#check({
      ...{ method, headers, target: url, isHttp2: false, localAddress: socket.localAddress },
    });
    if (verdict === undefined) return true;
    if (verdict.kind === "allowed") {
      for (const [name, value] of Object.entries(verdict.headers)) response.setHeader(name, value);
      return true;
    }
    // A body that nobody reads must not hold up what comes after it.
    request.resume();
    const http1 = response as ServerResponse;
    if (verdict.kind === "preflight") http1.writeHead(204, verdict.headers).end();
    else {
      const body = this.#refusal(verdict.message);
      http1.writeHead(403, { ...bodyHeaders(body), connection: "close" }).end(body);
    }
    return false;
  }

  /** The same for a stream of HTTP/2. */
  admitsStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): boolean {
    if (isGrpcOfProgram(headers)) return true;
    const verdict = this.#check({
      ...{ method: headers[":method"], target: headers[":path"], headers, isHttp2: true },
      localAddress: stream.session?.socket.localAddress,
    });
    if (verdict === undefined) return true;
    if (verdict.kind === "allowed") {
      const respond = stream.respond.bind(stream);
      // Whichever lane answers, in its own way: all of them do so by this.
      stream.respond = (answer, options) =>
        respond(Object.assign({}, answer, verdict.headers), options);
      return true;
    }
    stream.on("error", () => undefined);
    stream.resume();
    if (verdict.kind === "preflight") {
      stream.respond({ ":status": 204, ...verdict.headers }, { endStream: true });
    } else if (/^application\/grpc(\+|;|$)/i.test(headers["content-type"] ?? "")) {
      this.#refusal(verdict.message);
      stream.respond(
        {
          ":status": 200,
          "content-type": "application/grpc",
          "grpc-status": String(Code.permissionDenied),
          "grpc-message": encodeGrpcMessage(verdict.message),
        },
        { endStream: true },
      );
    } else {
      const body = this.#refusal(verdict.message);
      stream.respond({ ":status": 403, ...bodyHeaders(body) });
      stream.end(body);
    }
    return false;
  }

  /** An error as Dapr's HTTP API and Connect write it, both in one. */
  #refusal(message: string): string {
    if (!this.#told.has(message) && this.#told.size < mostTold) {
      this.#told.add(message);
      this.#onRefused(message);
    }
    return JSON.stringify({
      ...{ errorCode: "ERR_CALLER_NOT_ALLOWED", code: "permission_denied", message },
    });
  }
}

function bodyHeaders(body: string): Record<string, string> {
  return {
    "content-type": "application/json",
    "content-length": String(Buffer.byteLength(body)),
    "x-content-type-options": "nosniff",
  };
}
