import type { TlsMaterial } from "../tls-files.ts";
import { Code, GrpcFailure } from "../../grpc/status.ts";
import type { RequestHead } from "../../grpc/request-head.ts";
import type { Service } from "../../grpc/service.ts";
import { MemoryBudget, type MemoryShare } from "../../memory/budget.ts";
import { pathOf, type HttpExchange } from "../../rpc/http-exchange.ts";
import { CallerGate } from "../caller-gate.ts";
import { Http2Exchange } from "../http2-exchange.ts";
import type { Address } from "../listener.ts";
import { openListener, portOf, secureOptions } from "../open-listener.ts";
import { createProtocols } from "../protocols.ts";
import { lazily } from "../lazily.ts";
import { createRpcHandlers, type RpcHandlers } from "../rpc-handlers.ts";
import { ConsoleAccess, type AccessKind, type ConsoleTokens, type Verdict } from "./access.ts";
import type { ConsoleAssets } from "./assets.ts";
import { pageServices, readingPaths } from "./methods.ts";

/** A daemon that the page shows. */
export type ConsoleDaemon = {
  readonly name: string;
  /** What it serves, in this process or by calls to another one. */
  readonly services: () => Promise<readonly Service[]>;
};

export type ConsoleServerOptions = {
  readonly address: Address;
  readonly tls?: TlsMaterial | undefined;
  readonly tokens: ConsoleTokens;
  readonly daemons: readonly ConsoleDaemon[];
  readonly assets: ConsoleAssets;
  readonly version: string;
  /** The names beside `localhost` that requests on loopback may be for. */
  readonly allowedHosts?: readonly string[];
  /** For what requests bring. Default: a budget of its own, of the default size. */
  readonly memory?: MemoryBudget;
  /** The largest request, in bytes. Default 4 MiB. */
  readonly maxBodySize?: number;
  /** Told of a caller that was refused, not of each again. */
  readonly onRefused?: (message: string) => void;
};

export type ConsoleServer = {
  readonly port: number;
  /** New connections get this certificate. */
  setTls(tls: TlsMaterial): void;
  /** Takes no more connections, lets calls end for at most `deadline` ms, closes. */
  close(deadline: number): Promise<void>;
};

const usualMaxBodySize = 4 * 1024 * 1024;
/** A dead letter may be of any size, and is shown whole. */
const largestAnswer = 256 * 1024 * 1024;
/** What all requests of the console hold together, in bytes. */
const mostMemory = 64 * 1024 * 1024;
/** More connections are closed at once. A browser has six. */
const mostConnections = 256;

/** Sent with every answer: a page that is not this one can make nothing of it. */
const security: Readonly<Record<string, string>> = {
  "content-security-policy": [
    ...["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'"],
    ...["img-src 'self' data:", "base-uri 'none'", "form-action 'none'"],
    ...["frame-ancestors 'none'", "require-trusted-types-for 'script'"],
  ].join("; "),
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

/**
 * Serves the console: its page, who its user is (`/session`), and the RPCs of the daemons that it shows, each under a
 * number (`/rpc/0/cufflink.v1.Operations/ListComponents`). Each call needs a token; the page's files need none.
 */
export async function createConsoleServer(options: ConsoleServerOptions): Promise<ConsoleServer> {
  const { address, tls, daemons, assets, version, memory = new MemoryBudget() } = options;
  const access = new ConsoleAccess(options.tokens);
  // Other origins have no business here, whatever may call the daemon.
  const gate = new CallerGate(
    {
      ...{ allowedOrigins: [], allowedHosts: options.allowedHosts ?? [] },
      settings: { origins: undefined, hosts: "--allowed-hosts" },
    },
    options.onRefused,
  );
  const handlers = daemons.map((daemon, index) => lazily(() => handlersOf(daemon, index)));

  async function handlersOf(daemon: ConsoleDaemon, index: number): Promise<RpcHandlers> {
    const services = pageServices(await daemon.services());
    const reading = readingPaths(services);
    const { maxBodySize = usualMaxBodySize } = options;
    return createRpcHandlers({
      services,
      prefix: `/rpc/${index}`,
      maxMessageSize: maxBodySize,
      maxAnswerSize: Math.max(maxBodySize, largestAnswer),
      limitFlag: "--max-body-size",
      admit(head) {
        const kind = kindOf(head);
        const path = head.get(":path") ?? "";
        if (kind === "full" || reading.has(path)) return;
        const text = `${path.slice(1)} changes something, which the read-only token of the console does not allow`;
        throw new GrpcFailure(Code.permissionDenied, text);
      },
    });
  }

  function kindOf(head: RequestHead): AccessKind {
    const verdict = access.judge(head);
    if (verdict === "full" || verdict === "read-only") return verdict;
    const code = verdict === "too many" ? Code.resourceExhausted : Code.unauthenticated;
    throw new GrpcFailure(code, problems[verdict]);
  }

  function onRequest(exchange: HttpExchange, share: MemoryShare): void {
    for (const [name, value] of Object.entries(security)) exchange.setHeader(name, value);
    if (!gate.admits(exchange)) return;
    const path = pathOf(exchange.target);
    if (path.startsWith("/rpc/")) return call(exchange, path, share);
    if (exchange.method !== "GET" && exchange.method !== "HEAD") {
      exchange.setHeader("allow", "GET, HEAD");
      return exchange.answer(405);
    }
    if (path === "/session") return tellSession(exchange);
    if (!assets.answer(exchange, path)) exchange.answer(404);
  }

  function call(exchange: HttpExchange, path: string, share: MemoryShare): void {
    exchange.setHeader("cache-control", "no-store");
    const index = /^\/rpc\/(0|[1-9]\d{0,3})\//.exec(path)?.[1];
    const ready = index === undefined ? undefined : handlers[Number(index)];
    if (ready === undefined) return exchange.answer(404);
    ready().then(
      (made) => {
        if (!exchange.isClosed && !made.onRequest(exchange, share)) exchange.answer(404);
      },
      () => exchange.abort(),
    );
  }

  function tellSession(exchange: HttpExchange): void {
    exchange.setHeader("cache-control", "no-store");
    const kind = access.judge(exchange);
    if (kind === "full" || kind === "read-only")
      return answerJson(exchange, 200, {
        ...{ kind, version, daemons: daemons.map(({ name }) => ({ name })) },
      });
    if (kind === "too many") exchange.setHeader("retry-after", "5");
    else exchange.setHeader("www-authenticate", "Bearer");
    answerJson(exchange, kind === "too many" ? 429 : 401, { message: problems[kind] });
  }

  const share = memory.share("console", Math.min(mostMemory, Math.floor(memory.limit / 2)));
  const protocols = createProtocols(
    onRequest,
    (stream, head) => {
      const exchange = new Http2Exchange(stream, head);
      onRequest(exchange, share);
      return exchange;
    },
    share,
  );
  const server = await openListener(address, protocols, tls);
  server.maxConnections = mostConnections;
  return {
    port: portOf(server),
    setTls: (next) => {
      if ("setSecureContext" in server) server.setSecureContext(secureOptions(next));
    },
    async close(deadline) {
      server.close();
      await protocols.end(deadline);
    },
  };
}

const problems: Readonly<Record<Exclude<Verdict, AccessKind>, string>> = {
  missing: "the console's token is missing; open the link that was printed at the start",
  wrong: "that is not the console's token; open the link that was printed at the start",
  "too many": "too many wrong tokens; try again in a few seconds",
};

function answerJson(exchange: HttpExchange, status: number, body: object): void {
  exchange.setHeader("content-type", "application/json");
  exchange.answer(status, Buffer.from(JSON.stringify(body)));
}
