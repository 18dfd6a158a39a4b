import { AsyncLocalStorage } from "node:async_hooks";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createServer as createTcpServer } from "node:net";
import type { HttpEndpoint, HttpEndpoints } from "../binding.ts";
import { BindingError, messageOf, type Reason } from "../errors.ts";
import { MemoryBudget, type MemoryShare } from "../memory/budget.ts";
import type { PortProbe } from "../port-use.ts";
import { CallerGate } from "./caller-gate.ts";
import { watchRequest } from "./watched-request.ts";

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** Looks at each request before anything of it is done. False: it may not go on, and is answered. */
type EndpointGate = {
  admitsRequest(request: IncomingMessage, response: ServerResponse): boolean;
};

/** How many endpoints have a path, and who of them takes its requests, if anyone does. */
type Place = { endpoints: number; handler: Handler | undefined };

/** Pooled connections of senders and proxies live about a minute; ours must not end first. Milliseconds. */
const keepAlive = 75_000;
/** How long a request may take to arrive, in milliseconds. */
const longestRequest = 60_000;
/** How long a new connection may be without the headers of a request, and later ones from their first byte. Milliseconds. */
const longestHeaders = 10_000;
/** How often it is looked for requests that take too long, in milliseconds. */
const checking = 5_000;
/** How long answers may take to get out once a port is closed, in milliseconds. */
const lastAnswers = 2_000;
/** What a sender is told to wait, in seconds, while nobody takes the requests of a path. */
const retryAfter = "5";

/**
 * Makes the HTTP ports that bindings serve on. Components that name the same address share its port, and all ports
 * share one part of the memory: whoever reaches them cannot use up what Dapr's ports need. `gate`: answers those that may not
 * send anything. Default: pages of other origins, and on loopback those that come for another host, may not.
 */
export function createHttpEndpoints(
  budget: MemoryBudget = new MemoryBudget(),
  gate: EndpointGate = new CallerGate({ allowedOrigins: [], allowedHosts: [] }),
): HttpEndpoints & PortProbe {
  const memory = budget.share("webhook");
  const ports = new Map<string, Promise<Port>>();
  return {
    async listen(host, port, path) {
      for (;;) {
        const address = formatAddress(host, port);
        // Port 0 is another free port each time.
        const opening =
          (port === 0 ? undefined : ports.get(address)) ?? Port.open(host, port, memory, gate);
        if (port !== 0) ports.set(address, opening);
        let shared: Port;
        try {
          shared = await opening;
        } catch (error) {
          if (ports.get(address) === opening) ports.delete(address);
          throw error;
        }
        const known = formatAddress(host, shared.number);
        if (port === 0) ports.set(known, opening);
        // It may have been closed while this call waited.
        if (shared.closed) continue;
        return shared.enter(path, () => {
          if (ports.get(known) === opening) ports.delete(known);
        });
      }
    },
    async probe(host, port) {
      if (ports.has(formatAddress(host, port))) return "shared";
      await tryListening(host, port);
      return "free";
    },
  };
}

/** Rejects with a `BindingError` where nobody can listen. */
function tryListening(host: string, port: number): Promise<void> {
  const server = createTcpServer((socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(cannotListen(host, port, error)));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve()));
  });
}

/** A port that listens while an endpoint uses it. */
class Port {
  readonly number: number;
  readonly #server: Server;
  readonly #places: Map<string, Place>;
  readonly #memory: MemoryShare;
  #endpoints = 0;
  #closed = false;

  private constructor(server: Server, places: Map<string, Place>, memory: MemoryShare) {
    this.#memory = memory;
    this.number = (server.address() as AddressInfo).port;
    this.#server = server;
    this.#places = places;
  }

  static open(host: string, port: number, memory: MemoryShare, gate: EndpointGate): Promise<Port> {
    const places = new Map<string, Place>();
    const server = createServer(
      {
        keepAliveTimeout: keepAlive,
        requestTimeout: longestRequest,
        headersTimeout: longestHeaders,
        connectionsCheckingInterval: checking,
      },
      (request, response) => {
        watchRequest(request, response, false);
        if (gate.admitsRequest(request, response)) route(places, request, response);
      },
    );
    return new Promise((resolve, reject) => {
      server.once("error", (error) => reject(cannotListen(host, port, error)));
      server.listen({ host, port, exclusive: true }, () => {
        server.removeAllListeners("error");
        // A full table of open files is not the end: the next connection is accepted again.
        server.on("error", () => undefined);
        resolve(new Port(server, places, memory));
      });
    });
  }

  get closed(): boolean {
    return this.#closed;
  }

  enter(path: string, onClosed: () => void): HttpEndpoint {
    const place = this.#places.get(path) ?? { endpoints: 0, handler: undefined };
    this.#places.set(path, place);
    place.endpoints++;
    this.#endpoints++;
    let own: Handler | undefined;
    let left = false;
    const release = (): void => {
      if (own !== undefined && place.handler === own) place.handler = undefined;
      own = undefined;
    };
    return {
      port: this.number,
      memory: this.#memory,
      handle(handler) {
        if (left) throw new BindingError("failed_precondition", `${path} was already closed`);
        if (place.handler !== undefined) {
          throw new BindingError(
            "already_exists",
            `another component takes the requests of ${path} on this port; give one of them another path`,
            { effect: "unsent" },
          );
        }
        // Whatever goes wrong in it belongs to the component that calls here, not to the one that listened first.
        const taken: Handler = AsyncLocalStorage.bind((request, response) => {
          try {
            handler(request, response);
          } catch (error) {
            if (response.headersSent) response.destroy();
            else unavailable(response, "the request could not be taken\n");
            queueMicrotask(() => {
              throw error;
            });
          }
        });
        own = place.handler = taken;
        return () => {
          if (own === taken) release();
        };
      },
      [Symbol.asyncDispose]: async () => {
        if (left) return;
        left = true;
        release();
        if (--place.endpoints === 0) this.#places.delete(path);
        if (--this.#endpoints > 0) return;
        this.#closed = true;
        onClosed();
        await this.#close();
      },
    };
  }

  /** Stops listening at once; resolves when the answers under way are out, or their time has passed. */
  #close(): Promise<void> {
    return new Promise((resolve) => {
      const idle = setInterval(() => this.#server.closeIdleConnections(), 20);
      const end = setTimeout(() => this.#server.closeAllConnections(), lastAnswers);
      this.#server.close(() => {
        clearInterval(idle);
        clearTimeout(end);
        resolve();
      });
    });
  }
}

function route(
  places: ReadonlyMap<string, Place>,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  // A connection that breaks in the middle is the sender's business, never an exception.
  request.on("error", () => undefined);
  response.on("error", () => undefined);
  const place = places.get(pathOf(request.url ?? ""));
  if (place === undefined) return answer(response, 404, "nothing is served here\n");
  if (place.handler === undefined) return unavailable(response, "not ready yet\n");
  place.handler(request, response);
}

/** Whoever comes again later loses nothing. */
function unavailable(response: ServerResponse, text: string): void {
  response.setHeader("retry-after", retryAfter);
  answer(response, 503, text);
}

function answer(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8" });
  response.end(text);
}

/** The path of a request's target, which a proxy may write as a whole URL. */
function pathOf(target: string): string {
  const path = target.startsWith("/")
    ? target
    : target.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, "");
  const [bare = ""] = path.split(/[?#]/, 1);
  return bare === "" ? "/" : bare;
}

function formatAddress(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function cannotListen(host: string, port: number, error: NodeJS.ErrnoException): BindingError {
  const address = formatAddress(host, port);
  const known: Record<string, [Reason, string]> = {
    EADDRINUSE: ["unavailable", "the port is in use; end what uses it or choose another port"],
    EADDRNOTAVAIL: ["unavailable", "this machine has no such address"],
    EACCES: ["permission_denied", "the port is reserved; choose one from 1024 up"],
    ENOTFOUND: ["unavailable", "the host name is not known"],
  };
  const [reason, why] = known[error.code ?? ""] ?? ["unavailable", messageOf(error)];
  return new BindingError(reason, `cannot listen on ${address}: ${why}`, {
    effect: "unsent",
    systemCode: error.code,
    cause: error,
  });
}
