import type { Server } from "node:net";
import type { Duplex } from "node:stream";
import { Server as TlsServer } from "node:tls";
import type { Service } from "../grpc/service.ts";
import type { HeaderBlock } from "../http2/header-block.ts";
import type { Http2Stream, StreamListener } from "../http2/stream.ts";
import { MemoryBudget, type MemoryShare } from "../memory/budget.ts";
import type { RuntimeDescription } from "../rpc/description.ts";
import type { HttpExchange } from "../rpc/http-exchange.ts";
import type { OperationsOptions, ServicesOptions } from "../rpc/main-services.ts";
import { mainServiceNames, otherServiceNames } from "../rpc/service-names.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { StoreState } from "../store/store.ts";
import { CallerGate } from "./caller-gate.ts";
import { isGrpcOfProgram, type CallerRules } from "./callers.ts";
import { DaprHttp } from "./dapr-http.ts";
import { tokenCheck } from "./gate.ts";
import { forwardExchange } from "./forwarder.ts";
import type { Http2ClientConnection } from "../http2/client-connection.ts";
import { Http2Exchange } from "./http2-exchange.ts";
import { createLazyRpcHandlers } from "./lazy-rpc-handlers.ts";
import { lazily } from "./lazily.ts";
import { LateStream } from "./late-stream.ts";
import type { Address } from "./listener.ts";
import { openListener, portOf, secureOptions } from "./open-listener.ts";
import { createProtocols, type ProtocolServers } from "./protocols.ts";
import type { TlsMaterial } from "./tls-files.ts";

export type ServerOptions = {
  readonly runtime: Runtime;
  readonly description: RuntimeDescription;
  /** Each speaks every protocol. */
  readonly addresses: readonly Address[];
  /** Health and metadata only, without a token. */
  readonly publicAddresses?: readonly Address[];
  /** `DAPR_API_TOKEN`. */
  readonly token?: string | undefined;
  /** The largest request body or message, in bytes. Default 4 MiB. */
  readonly maxBodySize?: number;
  /** For what others send and do not take. Default: a budget of its own, of the default size. */
  readonly memory?: MemoryBudget;
  /** PEM texts. With them every address speaks TLS. */
  readonly tls?: TlsMaterial | undefined;
  /** Which web pages may call, and by which names. Absent: whoever can reach a port. */
  readonly callers?: CallerRules;
  /** Told of a caller that was refused, not of each again. */
  readonly onRefused?: (message: string) => void;
  /** Called when a client asks the runtime to end. */
  readonly shutdown: () => void;
  /** Where durable records are kept. Absent: there are none. */
  readonly store?: StoreState;
  /** What operators may do beyond looking. */
  readonly operations?: OperationsOptions;
  /** Who answers everything but invocations of outputs. Absent: this server. */
  readonly forwardTo?: Http2ClientConnection | undefined;
  /** Awaited before a request of {@link CufflinkServer.accept} is answered. Never rejects. */
  readonly beforeAccepted?: () => Promise<void>;
  /** Serves an event stream that the app has dialled. Absent: there are none. */
  readonly subscribe?: (messages: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>;
};

export type CufflinkServer = {
  /** What each address listens on, in their order; of use when port 0 was asked for. */
  readonly ports: readonly number[];
  /** All services of the runtime, for another listener than these. */
  services(): Promise<Service[]>;
  /** Serves HTTP/2 on a connection that came in elsewhere, where it was decided who may call. */
  accept(connection: Duplex): void;
  /** Loads what serves calls, which the first one waits for otherwise. Never rejects. */
  load(): Promise<void>;
  /** New connections get this certificate; those that are open keep theirs. */
  setTls(tls: TlsMaterial): void;
  /** Takes no more connections, lets calls end for at most `deadline` ms, closes. */
  close(deadline: number): Promise<void>;
};

const defaultMaxBodySize = 4 * 1024 * 1024;

/** Starts to listen. Rejects with a `BindingError` that names the address which cannot be had. */
export async function createServer(options: ServerOptions): Promise<CufflinkServer> {
  const { runtime, description, shutdown, subscribe, operations, store } = options;
  const { maxBodySize = defaultMaxBodySize, memory = new MemoryBudget(), forwardTo } = options;
  const token = tokenCheck(options.token);
  const http = new DaprHttp({ runtime, description, store, token, maxBodySize, shutdown });
  const closing = new AbortController();
  const serviceOptions: ServicesOptions = {
    ...{ runtime, description, shutdown, subscribe, operations, store, maxBodySize },
    memory: memory.share("streams"),
    closing: closing.signal,
  };
  const serviceLanes = lazily(async () => {
    const { ServiceLanes } = await import("./service-lanes.ts");
    return new ServiceLanes({ ...serviceOptions, token });
  });
  const otherwise = http.handle.bind(http);
  const mainHandlers = createLazyRpcHandlers({
    ...{ names: mainServiceNames, takesAllGrpc: true, otherwise },
    load: async () => (await serviceLanes()).main,
  });
  const otherHandlers = createLazyRpcHandlers({
    ...{ names: otherServiceNames, otherwise },
    load: async () => (await serviceLanes()).others(),
  });
  const gate = options.callers && new CallerGate(options.callers, options.onRefused);
  const admits = (exchange: HttpExchange): boolean => gate?.admits(exchange) !== false;

  function serve(exchange: HttpExchange, share: MemoryShare): void {
    if (forwardTo !== undefined && !isInvocation(exchange.target))
      return forwardExchange(exchange, forwardTo);
    if (otherHandlers.onRequest(exchange, share) || mainHandlers.onRequest(exchange, share)) return;
    http.handle(exchange, share);
  }

  function serveStream(stream: Http2Stream, head: HeaderBlock, share: MemoryShare): StreamListener {
    let exchange: Http2Exchange | undefined;
    if (gate !== undefined && !isGrpcOfProgram(head)) {
      exchange = new Http2Exchange(stream, head);
      if (!gate.admits(exchange)) return exchange;
    }
    if (forwardTo !== undefined && !isInvocation(head.get(":path") ?? "")) {
      exchange ??= new Http2Exchange(stream, head);
      forwardExchange(exchange, forwardTo);
      return exchange;
    }
    const call =
      otherHandlers.onStream(stream, head, share) ?? mainHandlers.onStream(stream, head, share);
    if (call !== undefined) return call;
    exchange ??= new Http2Exchange(stream, head);
    serve(exchange, share);
    return exchange;
  }

  function serveAccepted(
    stream: Http2Stream,
    head: HeaderBlock,
    share: MemoryShare,
  ): StreamListener {
    const { beforeAccepted } = options;
    if (beforeAccepted === undefined) return serveStream(stream, head, share);
    return new LateStream(stream, beforeAccepted(), () => serveStream(stream, head, share));
  }

  function servePublic(exchange: HttpExchange): void {
    if (admits(exchange)) http.handlePublic(exchange);
  }

  const all = [
    ...listenersOf(options.addresses, memory, (share) =>
      createProtocols(
        (exchange) => {
          if (admits(exchange)) serve(exchange, share);
        },
        serveStream,
        share,
      ),
    ).map((one) => ({ ...one, tls: options.tls })),
    ...listenersOf(options.publicAddresses ?? [], memory, (share) =>
      createProtocols(
        servePublic,
        (stream, head) => {
          const exchange = new Http2Exchange(stream, head);
          servePublic(exchange);
          return exchange;
        },
        share,
      ),
    ).map((one) => ({ ...one, tls: undefined })),
  ];
  const servers: Server[] = [];
  try {
    for (const { address, protocols, tls } of all) {
      servers.push(await openListener(address, protocols, tls));
    }
  } catch (error) {
    for (const server of servers) server.close();
    throw error;
  }
  let inner: ProtocolServers | undefined;
  return {
    accept(connection) {
      inner ??= createProtocols(serve, serveAccepted, memory.share("http"));
      inner.acceptHttp2(connection);
    },
    services: async () => (await serviceLanes()).services(),
    load: () => mainHandlers.load(),
    setTls(tls) {
      for (const server of servers)
        if (server instanceof TlsServer) server.setSecureContext(secureOptions(tls));
    },
    ports: servers.map((server) => portOf(server)),
    async close(deadline) {
      for (const server of servers) server.close();
      closing.abort();
      const protocols = new Set(all.map((one) => one.protocols));
      const ends = inner === undefined ? [...protocols] : [...protocols, inner];
      await Promise.all(ends.map((one) => one.end(deadline)));
    },
  };
}

type Listener = { readonly address: Address; readonly protocols: ProtocolServers };

/** Addresses of one name share what serves them, and the memory for it. */
function listenersOf(
  addresses: readonly Address[],
  memory: MemoryBudget,
  create: (share: MemoryShare) => ProtocolServers,
): Listener[] {
  const made = new Map<string, ProtocolServers>();
  return addresses.map((address) => {
    const { listener = "http" } = address;
    const protocols = made.get(listener) ?? create(memory.share(listener));
    made.set(listener, protocols);
    return { address, protocols };
  });
}

const invocations: ReadonlySet<string> = new Set([
  "/dapr.proto.runtime.v1.Dapr/InvokeBinding",
  "/cufflink.v1.Bindings/InvokeBindingStream",
  "/cufflink.v1.Bindings/InvokeBindingBatch",
]);

function isInvocation(target: string): boolean {
  return invocations.has(target) || target.startsWith("/v1.0/bindings/");
}
