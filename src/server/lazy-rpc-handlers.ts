import { ErrorCode } from "../http2/error-code.ts";
import type { HeaderBlock } from "../http2/header-block.ts";
import type { Http2Stream, StreamListener } from "../http2/stream.ts";
import type { MemoryShare } from "../memory/budget.ts";
import type { HttpExchange } from "../rpc/http-exchange.ts";
import { isGrpc } from "./callers.ts";
import { Http2Exchange } from "./http2-exchange.ts";
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
  let loading: Promise<RpcHandlers> | undefined;

  function isKnown(path: string | undefined): boolean {
    return path !== undefined && known.has(path.slice(1, path.indexOf("/", 1)));
  }

  async function loaded(): Promise<RpcHandlers> {
    try {
      return (handlers = await (loading ??= load()));
    } catch (error) {
      // The next call tries again.
      loading = undefined;
      throw error;
    }
  }

  return {
    onStream(stream, head, memory) {
      if (!takesAllGrpc && !isKnown(head.get(":path"))) return undefined;
      if (handlers !== undefined) return handlers.onStream(stream, head, memory);
      if (!isGrpc(head.get("content-type"))) return undefined;
      const call = new WaitingCall(stream);
      loaded().then(
        (handlers) => call.give(handlers, head, memory, otherwise),
        () => stream.reset(ErrorCode.refusedStream),
      );
      return call;
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

/** A call that waits for those who will take it. Nothing of its request is read meanwhile. */
class WaitingCall implements StreamListener {
  readonly #stream: Http2Stream;

  constructor(stream: Http2Stream) {
    this.#stream = stream;
    stream.pause();
  }

  give(
    handlers: RpcHandlers,
    head: HeaderBlock,
    memory: MemoryShare,
    otherwise: LazyRpcHandlersOptions["otherwise"],
  ): void {
    const stream = this.#stream;
    if (stream.isClosed) return;
    const call = handlers.onStream(stream, head, memory);
    if (call !== undefined) {
      stream.listener = call;
      return stream.resume();
    }
    const exchange = new Http2Exchange(stream, head);
    stream.listener = exchange;
    if (!handlers.onRequest(exchange, memory)) otherwise(exchange, memory);
  }

  data(): void {}
  ended(): void {}
  closed(): void {}
}
