import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";

/** A request over HTTP/1.1 or HTTP/2. */
export type HttpRequest = IncomingMessage | Http2ServerRequest;
export type HttpResponse = ServerResponse | Http2ServerResponse;

/** Whether its messages come in envelopes, so that it may be a stream. */
export function isStreamed({ headers }: Pick<HttpRequest, "headers">): boolean {
  return /^application\/(connect\+|grpc)/.test(headers["content-type"] ?? "");
}
