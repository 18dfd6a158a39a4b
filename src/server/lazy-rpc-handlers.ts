import { ErrorCode } from "../http2/error-code.ts";
import type { MemoryShare } from "../memory/budget.ts";
import type { HttpExchange } from "../rpc/http-exchange.ts";
import { isGrpc } from "./callers.ts";
import { Http2Exchange } from "./http2-exchange.ts";
import { lazily } from "./lazily.ts";
import { LateStream } from "./late-stream.ts";
import type { RpcHandlers } from "./rpc-handlers.ts";

export type LazyRpcHandlersOptions = {
  /** Of the services, such as `package.Service`. */
  readonly names: readonly string[];
  /** They take every call by gRPC, of whatever service. Default false. */
  readonly takesAllGrpc?: boolean;
  readonly load: () => Promise<RpcHandlers>;
  /** Answers what the handlers do not take after all. */
  readonly otherwise: (exchange: HttpExchange, memory: MemoryShare) => void;
};

export type LazyRpcHandlers = RpcHandlers & {
  /** Loads them before the first call. Never rejects: the next call tries again. */
  load(): Promise<void>;
};

/**
 * Handlers of services, made at the first call of one of them, so that the start need not wait for them. They take every
 * path of these.
 */
export function createLazyRpcHandlers({
  names,
  takesAllGrpc = false,
  load,
  otherwise,
}: LazyRpcHandlersOptions): LazyRpcHandlers {
  const known = new Set(names);
  let handlers: RpcHandlers | undefined;
  const loaded = lazily(async () => (handlers = await load()));

  function isKnown(path: string | undefined): boolean {
    return path !== undefined && known.has(path.slice(1, path.indexOf("/", 1)));
  }

  return {
    onStream(stream, head, memory) {
      if (!takesAllGrpc && !isKnown(head.get(":path"))) return undefined;
      if (handlers !== undefined) return handlers.onStream(stream, head, memory);
      if (!isGrpc(head.get("content-type"))) return undefined;
      const { promise, resolve } = Promise.withResolvers<RpcHandlers>();
      loaded().then(resolve, () => stream.reset(ErrorCode.refusedStream));
      return new LateStream(stream, promise, (made) => {
        const call = made.onStream(stream, head, memory);
        if (call !== undefined) return call;
        const exchange = new Http2Exchange(stream, head);
        if (!made.onRequest(exchange, memory)) otherwise(exchange, memory);
        return exchange;
      });
    },
    onRequest(exchange, memory) {
      if (!isKnown(exchange.target)) return false;
      const give = (handlers: RpcHandlers): void => {
        if (!exchange.isClosed && !handlers.onRequest(exchange, memory))
          otherwise(exchange, memory);
      };
      if (handlers === undefined) loaded().then(give, () => exchange.abort());
      else give(handlers);
      return true;
    },
    load: () =>
      loaded().then(
        () => undefined,
        () => undefined,
      ),
  };
}
