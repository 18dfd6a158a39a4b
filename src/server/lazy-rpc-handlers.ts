import { ErrorCode } from "../http2/error-code.ts";
import type { MemoryShare } from "../memory/budget.ts";
import type { HttpExchange } from "../rpc/http-exchange.ts";
import { isGrpc } from "./callers.ts";
import { Http2Exchange } from "./http2-exchange.ts";
import { LateStream } from "./late-stream.ts";
import type { RpcHandlers } from "./rpc-handlers.ts";

export type LazyRpcHandlersOptions = {
  /** Of the services, such as `package.Service`. */
  readonly names: readonly string[];
  readonly load: () => Promise<RpcHandlers>;
  /** Answers what the handlers do not take after all. */
  readonly otherwise: (exchange: HttpExchange, memory: MemoryShare) => void;
};

/**
 * Handlers of services that few need, made at the first call of one of them, so that the start need not wait for them.
 * They take every path of these.
 */
export function createLazyRpcHandlers({
  names,
  load,
  otherwise,
}: LazyRpcHandlersOptions): RpcHandlers {
  const known = new Set(names);
  let handlers: RpcHandlers | undefined;
  let loading: Promise<RpcHandlers> | undefined;

  function isKnown(path: string | undefined): boolean {
    return path !== undefined && known.has(path.slice(1, path.indexOf("/", 1)));
  }

  function whenLoaded(go: (handlers: RpcHandlers) => void, fail: () => void): void {
    loading ??= load();
    loading
      .then((made) => go((handlers = made)))
      .catch(() => {
        // The next call tries again.
        loading = undefined;
        fail();
      });
  }

  return {
    onStream(stream, head, memory) {
      if (!isKnown(head.get(":path")) || !isGrpc(head.get("content-type"))) return undefined;
      if (handlers !== undefined) return handlers.onStream(stream, head, memory);
      const { promise, resolve } = Promise.withResolvers<RpcHandlers>();
      whenLoaded(resolve, () => stream.reset(ErrorCode.refusedStream));
      return new LateStream(stream, promise, (loaded) => {
        const call = loaded.onStream(stream, head, memory);
        if (call !== undefined) return call;
        const exchange = new Http2Exchange(stream, head);
        if (!loaded.onRequest(exchange, memory)) otherwise(exchange, memory);
        return exchange;
      });
    },
    onRequest(exchange, memory) {
      if (!isKnown(exchange.target)) return false;
      const give = (handlers: RpcHandlers): void => {
        if (!exchange.isClosed && !handlers.onRequest(exchange, memory))
          otherwise(exchange, memory);
      };
      if (handlers === undefined) whenLoaded(give, () => exchange.abort());
      else give(handlers);
      return true;
    },
  };
}
