import type { IncomingMessage, ServerResponse } from "node:http";
import { Code, encodeGrpcMessage } from "../grpc/status.ts";
import type { HttpExchange } from "../rpc/http-exchange.ts";
import { callerCheck, isGrpc, type CallerCheck, type CallerRules } from "./callers.ts";
import { Http1Exchange } from "./http1-exchange.ts";

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

  /** Whether a request may go on; one that may not is answered. */
  admits(exchange: HttpExchange): boolean {
    const verdict = this.#check(exchange);
    if (verdict === undefined) return true;
    if (verdict.kind !== "refused")
      for (const [name, value] of Object.entries(verdict.headers)) exchange.setHeader(name, value);
    if (verdict.kind === "allowed") return true;
    if (verdict.kind === "preflight") exchange.answer(204);
    else this.#refuse(exchange, verdict.message);
    return false;
  }

  /** The same for a server of HTTP/1.1 alone. */
  admitsRequest(request: IncomingMessage, response: ServerResponse): boolean {
    return this.admits(new Http1Exchange(request, response));
  }

  /** Answers with an error as Dapr's HTTP API and Connect write it, both in one; gRPC's callers with a status. */
  #refuse(exchange: HttpExchange, message: string): void {
    if (!this.#told.has(message) && this.#told.size < mostTold) {
      this.#told.add(message);
      this.#onRefused(message);
    }
    if (exchange.isHttp2 && isGrpc(exchange.get("content-type"))) {
      exchange.setHeader("content-type", "application/grpc");
      exchange.setHeader("grpc-status", String(Code.permissionDenied));
      exchange.setHeader("grpc-message", encodeGrpcMessage(message));
      return exchange.answer(200);
    }
    const body = {
      ...{ errorCode: "ERR_CALLER_NOT_ALLOWED", code: "permission_denied", message },
    };
    exchange.setHeader("content-type", "application/json");
    exchange.setHeader("x-content-type-options", "nosniff");
    exchange.setHeader("connection", "close");
    exchange.answer(403, Buffer.from(JSON.stringify(body)));
  }
}
