import { Http2Exchange } from "../../src/server/http2-exchange.ts";
import { createProtocols, type ProtocolServers } from "../../src/server/protocols.ts";
import type { RpcHandlers } from "../../src/server/rpc-handlers.ts";
import type { HttpExchange } from "../../src/rpc/http-exchange.ts";

/** Serves what the handlers take; the rest is 404. */
export function protocolsOf(
  handlers: RpcHandlers,
  otherwise: (exchange: HttpExchange) => void = (exchange) => exchange.answer(404),
): ProtocolServers {
  return createProtocols(
    (exchange, memory) => {
      if (!handlers.onRequest(exchange, memory)) otherwise(exchange);
    },
    (stream, head, memory) => {
      const call = handlers.onStream(stream, head, memory);
      if (call !== undefined) return call;
      const exchange = new Http2Exchange(stream, head);
      if (!handlers.onRequest(exchange, memory)) otherwise(exchange);
      return exchange;
    },
  );
}
