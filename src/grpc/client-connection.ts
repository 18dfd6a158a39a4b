import http2 from "node:http2";
import net from "node:net";
import tls from "node:tls";
import type { ClientHttp2Session, OutgoingHttpHeaders } from "node:http2";
import { Exchange, type ExchangeOptions, type ExchangeResult } from "./client-exchange.ts";
import { http2SessionOptions, streamWindowBytes, widenWindow } from "./http2-options.ts";

export type ClientConnectionOptions = {
  readonly host: string;
  readonly port: number;
  /** Absent: cleartext, HTTP/2 by prior knowledge. */
  readonly tls?: { readonly verify: boolean } | undefined;
  /** Milliseconds for TCP, TLS and the server's SETTINGS together. Default 10,000. */
  readonly connectTimeout?: number;
  /** The pause before connecting again, in milliseconds; it doubles. Default 50 to 1,000. */
  readonly pause?: { readonly first: number; readonly longest: number };
  /**
   * Milliseconds between HTTP/2 pings; one that stays unanswered for as long again ends the session.
   * Default: none. Servers of grpc-go and gRPC Core end the connection of a client that pings more often
   * than every five minutes, and TCP's own keep-alive, which is on, notices a host that is gone.
   */
  readonly pingInterval?: number | undefined;
  /** The largest answer that is taken, in bytes. Default 256 MiB. */
  readonly maxAnswerBytes?: number;
};

/** A session that lived shorter counts as a failed attempt to connect. */
const steadyAfter = 1000;
const refusedPauses = [10, 20, 40, 80, 160];

/**
 * An HTTP/2 connection to one server that is kept for ever: made at once, made again with a growing
 * pause when it is lost. Never throws and never emits an error; {@link ready} and {@link reason} tell.
 */
export class ClientConnection {
  readonly #options: ClientConnectionOptions;
  readonly #authority: string;
  readonly #maxAnswerBytes: number;
  readonly #listeners = new Set<() => void>();
  /** Sessions that still carry exchanges, the current one among them. */
  readonly #sessions = new Set<ClientHttp2Session>();
  readonly #waiting = new Set<Exchange>();
  #session: ClientHttp2Session | undefined;
  #open = 0;
  #limit = Infinity;
  #generation = 0;
  #reason: string;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: ClientConnectionOptions) {
    this.#options = options;
    this.#maxAnswerBytes = options.maxAnswerBytes ?? 256 * 1024 * 1024;
    const host = net.isIPv6(options.host) ? `[${options.host}]` : options.host;
    this.#authority = `${host}:${options.port}`;
    this.#reason = `connecting to ${this.#authority}`;
    this.#connect();
  }

  /** Whether a request can be written now. */
  get ready(): boolean {
    return this.#session !== undefined;
  }

  /** Why it is not ready; empty while it is. */
  get reason(): string {
    return this.#session === undefined ? this.#reason : "";
  }

  /** Counts the connections made so far. */
  get generation(): number {
    return this.#generation;
  }

  /** `host:port`. */
  get authority(): string {
    return this.#authority;
  }

  /** Calls the listener after {@link ready} has changed; the returned function ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Sends one request and resolves with its whole answer. Never rejects. While the server allows no
   * more streams it waits for its turn; while there is no connection the result is `unsent` at once.
   */
  request(
    headers: OutgoingHttpHeaders,
    body: readonly Uint8Array[],
    options: ExchangeOptions = {},
  ): Promise<ExchangeResult> {
    headers[":authority"] ??= this.#authority;
    headers[":scheme"] ??= this.#options.tls === undefined ? "http" : "https";
    return new Promise((resolve) => {
      const exchange = new Exchange(headers, body, options, this.#maxAnswerBytes, resolve);
      exchange.onWithdrawn = () => this.#waiting.delete(exchange);
      if (exchange.begin()) this.#dispatch(exchange);
    });
  }

  /** Ends what is in flight and connects no more. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#reason = "the connection was closed";
    const sessions = [...this.#sessions];
    const ended = sessions.map(
      (session) => new Promise<void>((resolve) => void session.once("close", () => resolve())),
    );
    for (const session of sessions) session.destroy();
    this.#leave();
    await Promise.all(ended);
  }

  #dispatch(exchange: Exchange): void {
    const session = this.#session;
    if (session === undefined) exchange.unsent(this.#reason);
    else if (this.#open >= this.#limit) this.#waiting.add(exchange);
    else this.#start(session, exchange);
  }

  #start(session: ClientHttp2Session, exchange: Exchange): void {
    this.#open += 1;
    exchange.start(session, (refused) => {
      if (session === this.#session) {
        this.#open -= 1;
        this.#next();
      }
      if (refused) this.#again(exchange);
    });
  }

  #next(): void {
    for (const exchange of this.#waiting) {
      if (this.#session === undefined || this.#open >= this.#limit) return;
      this.#waiting.delete(exchange);
      this.#start(this.#session, exchange);
    }
  }

  /** A refused stream was not processed: it is tried again some times, which its caller need not know. */
  #again(exchange: Exchange): void {
    const pause = refusedPauses[exchange.refusals];
    exchange.refusals += 1;
    if (pause === undefined) exchange.unsent("the server refuses the stream");
    else setTimeout(() => exchange.pending && this.#dispatch(exchange), pause);
  }

  #connect(): void {
    const { host, port, tls: secure, connectTimeout = 10_000 } = this.#options;
    const startedAt = performance.now();
    let failure = "";
    let isReady = false;
    const session = http2.connect(`${secure ? "https" : "http"}://${this.#authority}`, {
      createConnection: () => openSocket(host, port, secure),
      ...http2SessionOptions,
      settings: { enablePush: false, initialWindowSize: streamWindowBytes },
      peerMaxConcurrentStreams: 2 ** 31 - 1,
    });
    this.#sessions.add(session);
    const timer = setTimeout(() => {
      failure = `no HTTP/2 answer within ${connectTimeout} ms`;
      session.destroy();
    }, connectTimeout);

    session.on("connect", () => widenWindow(session));
    session.on("remoteSettings", (settings) => {
      clearTimeout(timer);
      const limit = settings.maxConcurrentStreams ?? Infinity;
      if (!isReady && !this.#closed) {
        isReady = true;
        this.#enter(session, limit);
      } else if (session === this.#session) {
        this.#limit = limit;
        this.#next();
      }
    });
    session.on("error", (error) => {
      failure ||= describe(error);
    });
    session.on("goaway", (code) => {
      failure ||= `the server ended the connection (GOAWAY ${code})`;
      this.#lost(session, failure, startedAt);
    });
    session.on("close", () => {
      clearTimeout(timer);
      this.#sessions.delete(session);
      if (isReady) this.#lost(session, failure || "the server ended the connection", startedAt);
      else this.#failed(failure || "the server ended the connection");
    });
  }

  #enter(session: ClientHttp2Session, limit: number): void {
    this.#session = session;
    this.#open = 0;
    this.#limit = limit;
    this.#generation += 1;
    this.#keepAlive(session);
    this.#changed();
  }

  #lost(session: ClientHttp2Session, reason: string, startedAt: number): void {
    if (session !== this.#session) return;
    this.#reason = `the connection to ${this.#authority} was lost: ${reason}`;
    this.#leave();
    if (this.#closed) return;
    if (performance.now() - startedAt < steadyAfter) return this.#connectLater();
    this.#failures = 0;
    this.#timer = setTimeout(() => this.#connect(), 0);
  }

  #failed(reason: string): void {
    if (this.#closed) return;
    this.#reason = `cannot connect to ${this.#authority}: ${reason}`;
    this.#connectLater();
  }

  #connectLater(): void {
    const { first, longest } = this.#options.pause ?? { first: 50, longest: 1000 };
    const pause = Math.min(first * 2 ** this.#failures, longest);
    this.#failures = Math.min(this.#failures + 1, 30);
    this.#timer = setTimeout(() => this.#connect(), pause * (0.8 + Math.random() * 0.2));
  }

  #leave(): void {
    if (this.#session === undefined) return;
    this.#session = undefined;
    for (const exchange of this.#waiting) {
      this.#waiting.delete(exchange);
      exchange.unsent(this.#reason);
    }
    this.#changed();
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }

  #keepAlive(session: ClientHttp2Session): void {
    const interval = this.#options.pingInterval;
    if (interval === undefined) return;
    let answered = true;
    const timer = setInterval(() => {
      if (session.destroyed) return;
      if (!answered)
        return session.destroy(new Error(`a ping stayed unanswered for ${interval} ms`));
      answered = false;
      session.ping((error) => {
        answered = error === null;
      });
    }, interval);
    session.once("close", () => clearInterval(timer));
  }
}

function openSocket(
  host: string,
  port: number,
  secure: { readonly verify: boolean } | undefined,
): net.Socket {
  const options = { host, port, keepAlive: true, keepAliveInitialDelay: 30_000, noDelay: true };
  if (secure === undefined) return net.connect(options);
  return tls.connect({
    ...options,
    ALPNProtocols: ["h2"],
    rejectUnauthorized: secure.verify,
    ...(net.isIP(host) === 0 && { servername: host }),
  });
}

function describe(error: Error): string {
  if (error instanceof AggregateError) return error.errors.map(String).join("; ");
  return error.message;
}
