import {
  Http2ServerRequest,
  Http2ServerResponse,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import type { Server } from "node:net";
import {
  createServer as createTlsServer,
  Server as TlsServer,
  type SecureContextOptions,
} from "node:tls";
import { MemoryBudget, type MemoryShare } from "../memory/budget.ts";
import type { RuntimeDescription } from "../rpc/description.ts";
import { unauthenticated } from "../rpc/errors.ts";
import type { HttpRequest, HttpResponse } from "../rpc/http-message.ts";
import {
  lazyServiceNames,
  runtimeServices,
  type OperationsOptions,
  type ServicesOptions,
} from "../rpc/services.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { StoreState } from "../store/store.ts";
import { CallerGate } from "./caller-gate.ts";
import type { CallerRules } from "./callers.ts";
import { DaprHttp } from "./dapr-http.ts";
import { tokenCheck } from "./gate.ts";
import { createRpcHandlers } from "./rpc-handlers.ts";
import { createLazyRpcHandlers } from "./lazy-rpc-handlers.ts";
import { bind, listen, silence, tcpKeepAlive, type Address } from "./listener.ts";
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
  /** Serves an event stream that the app has dialled. Absent: there are none. */
  readonly subscribe?: (messages: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>;
};

export type CufflinkServer = {
  /** What each address listens on, in their order; of use when port 0 was asked for. */
  readonly ports: readonly number[];
  /** New connections get this certificate; those that are open keep theirs. */
  setTls(tls: TlsMaterial): void;
  /** Takes no more connections, lets calls end for at most `deadline` ms, closes. */
  close(deadline: number): Promise<void>;
};

const defaultMaxBodySize = 4 * 1024 * 1024;
const largestAnswer = 256 * 1024 * 1024;

/** Starts to listen. Rejects with a `BindingError` that names the address which cannot be had. */
export async function createServer(options: ServerOptions): Promise<CufflinkServer> {
  const { runtime, description, shutdown, subscribe, operations, store } = options;
  const { maxBodySize = defaultMaxBodySize, memory = new MemoryBudget() } = options;
  const token = tokenCheck(options.token);
  const http = new DaprHttp({ runtime, description, store, token, maxBodySize, shutdown });
  const closing = new AbortController();
  const serviceOptions: ServicesOptions = {
    ...{ runtime, description, shutdown, subscribe, operations, store, maxBodySize },
    memory: memory.share("streams"),
    closing: closing.signal,
  };
  const handlerOptions = {
    maxMessageSize: maxBodySize,
    limitFlag: "--max-body-size",
    admit(headers: IncomingHttpHeaders) {
      const problem = exempt(headers[":path"]) ? undefined : token(headers);
      if (problem !== undefined) throw unauthenticated(problem);
    },
  };
  const services = runtimeServices(serviceOptions);
  const handlers = createRpcHandlers({ ...handlerOptions, services });
  const plain = {
    onRequest: http.handle.bind(http),
    onStream: asRequest(http.handle.bind(http)),
  };
  const lazyHandlers = createLazyRpcHandlers({
    names: lazyServiceNames,
    async load() {
      const { lazyServices } = await import("../rpc/lazy-services.ts");
      return createRpcHandlers({
        ...handlerOptions,
        // A dead letter may be of any size, and is shown whole.
        maxAnswerSize: Math.max(maxBodySize, largestAnswer),
        services: lazyServices(serviceOptions, services),
      });
    },
    otherwise: plain,
  });
  const gate = options.callers && new CallerGate(options.callers, options.onRefused);
  const handlePublicStream = asRequest((request, response) => http.handlePublic(request, response));
  const all = [
    ...listenersOf(options.addresses, memory, (share) =>
      createProtocols(
        (...request) => {
          if (gate?.admitsRequest(request[0], request[1]) === false) return;
          if (lazyHandlers.onRequest(...request) || handlers.onRequest(...request)) return;
          plain.onRequest(...request);
        },
        (...stream) => {
          if (gate?.admitsStream(stream[0], stream[1]) === false) return;
          if (lazyHandlers.onStream(...stream) || handlers.onStream(...stream)) return;
          plain.onStream(...stream);
        },
        share,
      ),
    ).map((one) => ({ ...one, tls: options.tls })),
    ...listenersOf(options.publicAddresses ?? [], memory, (share) =>
      createProtocols(
        (request, response) => {
          if (gate?.admitsRequest(request, response) !== false)
            http.handlePublic(request, response);
        },
        (...stream) => {
          if (gate?.admitsStream(stream[0], stream[1]) !== false) handlePublicStream(...stream);
        },
        share,
      ),
    ).map((one) => ({ ...one, tls: undefined })),
  ];
  const servers: Server[] = [];
  try {
    for (const { address, protocols, tls } of all) {
      servers.push(
        await (tls === undefined ? listen(address, protocols) : listenTls(address, tls, protocols)),
      );
    }
  } catch (error) {
    for (const server of servers) server.close();
    throw error;
  }
  return {
    setTls(tls) {
      for (const server of servers)
        if (server instanceof TlsServer) server.setSecureContext(secureOptions(tls));
    },
    ports: servers.map((server) => portOf(server)),
    async close(deadline) {
      for (const server of servers) server.close();
      closing.abort();
      const protocols = new Set(all.map((one) => one.protocols));
      await Promise.all([...protocols].map((one) => one.end(deadline)));
    },
  };
}

function secureOptions(tls: TlsMaterial): SecureContextOptions {
  return { ...tls, minVersion: "TLSv1.2" };
}

async function listenTls(
  address: Address,
  tls: TlsMaterial,
  { http1, http2 }: ProtocolServers,
): Promise<Server> {
  const server = createTlsServer(
    {
      ...secureOptions(tls),
      ...tcpKeepAlive,
      ALPNProtocols: ["h2", "http/1.1"],
      handshakeTimeout: silence,
      noDelay: true,
    },
    (socket) => (socket.alpnProtocol === "h2" ? http2 : http1).emit("connection", socket),
  );
  server.on("tlsClientError", (_, socket) => socket.destroy());
  await bind(server, address);
  return server;
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

/** Hands HTTP/2 streams to a function of requests. */
function asRequest(
  handle: (request: HttpRequest, response: HttpResponse, memory: MemoryShare) => void,
) {
  return (
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    raw: string[],
    memory: MemoryShare,
  ): void => {
    const request = new Http2ServerRequest(stream, headers, {}, raw);
    handle(request, new Http2ServerResponse(stream), memory);
  };
}

function portOf(server: Server): number {
  const address = server.address();
  return address !== null && typeof address === "object" ? address.port : 0;
}

/** Health needs no token: it is used by probes. */
function exempt(path: string | undefined): boolean {
  return path?.startsWith("/grpc.health.v1.Health/") ?? false;
}
