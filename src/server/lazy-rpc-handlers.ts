import type { RpcHandlers } from "./rpc-handlers.ts";

/** Lanes that are made at the first call of one of their services. They take every path of these. */
export type LazyRpcHandlers = {
  readonly [Method in keyof RpcHandlers]: (...request: Parameters<RpcHandlers[Method]>) => boolean;
};

export type LazyRpcHandlersOptions = {
  /** Of the services, such as `package.Service`. */
  readonly names: readonly string[];
  readonly load: () => Promise<RpcHandlers>;
  /** Answer what the handlers do not take after all. */
  readonly otherwise: {
    readonly [Method in keyof RpcHandlers]: (...request: Parameters<RpcHandlers[Method]>) => void;
  };
};

/** Lanes for services that few need, so that the start need not wait for them. */
export function createLazyRpcHandlers({
  names,
  load,
  otherwise,
}: LazyRpcHandlersOptions): LazyRpcHandlers {
  const known = new Set(names);
  let handlers: RpcHandlers | undefined;
  let loading: Promise<RpcHandlers> | undefined;

  function isKnown(path: string | undefined): boolean {
    return path !== undefined && known.has(path.slice(1, path.indexOf("/", 1)));
  }

  function whenLoaded(go: (handlers: RpcHandlers) => void, fail: () => void): void {
    if (handlers !== undefined) return go(handlers);
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
    onStream(stream, headers, raw, memory) {
      if (!isKnown(headers[":path"])) return false;
      // A caller that cancels before the handlers are there is nobody's failure.
      if (handlers === undefined) stream.on("error", () => {});
      whenLoaded(
        (handlers) => {
          if (stream.destroyed) return;
          if (!handlers.onStream(stream, headers, raw, memory))
            otherwise.onStream(stream, headers, raw, memory);
        },
        () => stream.destroy(),
      );
      return true;
    },
    onRequest(request, response, memory) {
      if (!isKnown(request.url)) return false;
      whenLoaded(
        (handlers) => {
          if (!handlers.onRequest(request, response, memory))
            otherwise.onRequest(request, response, memory);
        },
        () => response.destroy(),
      );
      return true;
    },
  };
}
