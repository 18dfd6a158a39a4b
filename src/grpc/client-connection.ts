import type net from "node:net";
import type { Http2ClientConnection } from "../http2/client-connection.ts";
import type { AnswerLimits } from "./answer-room.ts";
import { CallQueue } from "./call-queue.ts";
import type { Call, CallOptions, Carrier } from "./client-call.ts";
import { ClientSession, type SessionOwner } from "./client-session.ts";
import { openSocket, type ClientTls } from "./client-socket.ts";
import { type Answer, PlainUnary } from "./client-unary.ts";
import { type EndpointAddress, formatAddress } from "./endpoint.ts";
import { openTunnel } from "../proxy/tunnel.ts";

export type ClientConnectionOptions = EndpointAddress & {
  /** Absent: cleartext, HTTP/2 by prior knowledge. */
  readonly tls?: ClientTls | undefined;
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
  /** Pings only while there are calls: servers of gRPC-Java end the connection of a client that pings without. */
  readonly pingsInCallsOnly?: boolean;
  /** Connects when a call that waits for a connection asks for it, and not before. Default: at once and always. */
  readonly lazy?: boolean;
  /** The URL of an HTTP proxy that leads to the server. Default: none. */
  readonly proxy?: string | undefined;
  /** Tries a stream again, some times, that the server did not take. Default true; else its call ends as `unsent`. */
  readonly retryRefused?: boolean;
  /** A connection that has had so many streams is replaced. Default: before the numbers of streams run out. */
  readonly mostStreams?: number;
};

/** A session that lived shorter counts as a failed attempt to connect. */
const steadyAfter = 1000;
/** Milliseconds for connecting. */
const defaultTimeout = 10_000;
const refusedPauses = [10, 20, 40, 80, 160];
/**
 * Milliseconds. Node's server forgets a reset stream some time after it has read of it, and until then ends the one that
 * is opened in its place with ENHANCE_YOUR_CALM.
 */
const resetPause = 50;
/** There are 2³⁰ numbers for the streams of a client (RFC 9113 5.1.1); the last are for while the next connection is made. */
const defaultMostStreams = 2 ** 30 - 100_000;
/** So many streams after an attempt to replace a connection there is another one. */
const renewAgainAfter = 1000;

/**
 * An HTTP/2 connection to one server that is kept for ever: made at once, made again with a growing
 * pause when it is lost. Never throws and never emits an error; {@link ready} and {@link reason} tell.
 * While it carries no calls it does not keep the process running.
 */
export class ClientConnection implements Carrier, SessionOwner {
  /** What the server is asked for as: `host:port`, and `localhost` on a Unix socket. */
  readonly authority: string;
  /** What it is called in errors: `host:port` or `unix:path`. */
  readonly name: string;
  /** `http` or `https`. */
  readonly scheme: string;
  readonly #options: ClientConnectionOptions;
  readonly #listeners = new Set<() => void>();
  readonly #protocolFailures = new Set<() => void>();
  readonly #mostStreams: number;
  /** Sessions that are being made, the current one, and those that still carry calls. */
  readonly #sessions = new Set<ClientSession>();
  /** Calls that wait for their turn or for a connection. */
  readonly #waiting = new CallQueue<Call>();
  /** Calls whose end was not told to this connection yet. */
  #calls = 0;
  #session: ClientSession | undefined;
  /** That of the current session. */
  #http2: Http2ClientConnection | undefined;
  /** Streams of the current session: those that are open, and all. */
  #open = 0;
  #started = 0;
  #renewAt = Infinity;
  #cut: { readonly connection: Http2ClientConnection; streams: number } | undefined;
  #limit = Infinity;
  #generation = 0;
  #reason: string;
  #failures = 0;
  #connecting = false;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  readonly #closing = new AbortController();

  constructor(options: ClientConnectionOptions) {
    this.#options = options;
    this.#mostStreams = options.mostStreams ?? defaultMostStreams;
    this.name = formatAddress(options);
    this.authority = "socket" in options ? "localhost" : this.name;
    this.scheme = options.tls === undefined ? "http" : "https";
    this.#reason = `connecting to ${this.name}`;
    if (options.lazy !== true) this.#connect();
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

  /** Calls the listener after {@link ready} has changed; the returned function ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Calls the listener when the server was reached, and did not answer as one of HTTP/2; the returned function
   * ends that.
   */
  onProtocolFailure(listener: () => void): () => void {
    this.#protocolFailures.add(listener);
    return () => this.#protocolFailures.delete(listener);
  }

  /**
   * Sends one request, its headers as names and values in turn, and resolves with its whole answer. Never
   * rejects. The limits are of the answer. Without a body the headers are all of the request.
   */
  request(
    fields: readonly string[],
    body: Uint8Array | undefined,
    options: CallOptions,
    limits: AnswerLimits,
  ): Promise<Answer> {
    return new Promise((resolve) => {
      this.carry(new PlainUnary(this, fields, options, limits, body, resolve));
    });
  }

  /** Takes a call, which is told its end. While the server allows no more streams it waits for its turn. */
  carry(call: Call): void {
    if (!call.begin()) return;
    this.#hold();
    this.#dispatch(call);
  }

  /** Ends what is in flight and connects no more. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#closing.abort();
    clearTimeout(this.#timer);
    this.#reason = "the connection was closed";
    const sessions = [...this.#sessions];
    const ended = sessions.map(({ socket }) => whenClosed(socket));
    for (const session of sessions) session.destroy(this.#reason);
    this.#leave();
    for (const call of this.#waiting.values()) this.#refuse(call, this.#reason);
    await Promise.all(ended);
  }

  /** Of a call that is cancelled before it was started. */
  withdraw(call: Call): void {
    this.#waiting.delete(call);
    this.#release();
  }

  /** Of a call whose stream is gone. */
  ended(call: Call, connection: Http2ClientConnection, unprocessed?: string): void {
    if (connection === this.#http2) {
      if (call.isCut && this.#open >= this.#limit) this.#freeLater(connection);
      else {
        this.#open -= 1;
        this.#next();
      }
    }
    if (unprocessed === undefined || !call.pending) this.#release();
    else this.#again(call, unprocessed);
  }

  #dispatch(call: Call): void {
    const connection = this.#http2;
    if (connection !== undefined) {
      if (this.#open >= this.#limit || connection.isGoingAway) this.#waiting.add(call);
      else this.#start(connection, call);
    } else if (call.waits && !this.#closed) {
      this.#waiting.add(call);
      this.#connectNow();
    } else this.#refuse(call, this.#reason);
  }

  #refuse(call: Call, reason: string): void {
    this.#waiting.delete(call);
    this.#release();
    call.unsent(reason);
  }

  #start(connection: Http2ClientConnection, call: Call): void {
    this.#open += 1;
    this.#started += 1;
    call.start(connection);
    if (this.#started < this.#renewAt) return;
    this.#renewAt += renewAgainAfter;
    this.#connectNow();
  }

  #next(): void {
    for (;;) {
      const call = this.#waiting.first;
      const connection = this.#http2;
      if (call === undefined || connection === undefined || this.#open >= this.#limit) return;
      if (connection.isGoingAway || connection.isClosed) return;
      this.#waiting.delete(call);
      this.#start(connection, call);
    }
  }

  /** The place of a stream that was reset is free when the server has forgotten it, too. */
  #freeLater(connection: Http2ClientConnection): void {
    const known = this.#cut;
    if (known?.connection === connection) {
      known.streams += 1;
      return;
    }
    const cut = { connection, streams: 1 };
    this.#cut = cut;
    const free = (): void => {
      if (this.#cut === cut) this.#cut = undefined;
      if (connection !== this.#http2) return;
      this.#open -= cut.streams;
      this.#next();
    };
    // A server in the same process has to have its turn, however late the timer is.
    setTimeout(setImmediate, resetPause, free);
  }

  /** A stream that was not processed is tried again some times, which its caller need not know. */
  #again(call: Call, reason: string): void {
    const { retryRefused = true } = this.#options;
    const pause = retryRefused ? refusedPauses[call.refusals] : undefined;
    call.refusals += 1;
    if (pause === undefined) this.#refuse(call, reason);
    else setTimeout(() => call.pending && this.#dispatch(call), pause);
  }

  /** Another call keeps the process running. */
  #hold(): void {
    this.#calls += 1;
    if (this.#calls > 1) return;
    for (const { socket } of this.#sessions) socket.ref();
    this.#timer?.ref();
  }

  #release(): void {
    this.#calls -= 1;
    if (this.#calls > 0) return;
    for (const { socket } of this.#sessions) socket.unref();
    this.#timer?.unref();
  }

  #connectNow(): void {
    if (this.#connecting) return;
    clearTimeout(this.#timer);
    this.#connect();
  }

  #connect(): void {
    const { tls: secure, connectTimeout = defaultTimeout, proxy } = this.#options;
    this.#connecting = true;
    if (proxy === undefined || "socket" in this.#options)
      return this.#establish(openSocket(this.#options, secure), false);
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(connectTimeout)]);
    const { host, port } = this.#options;
    openTunnel(proxy, { host, port }, signal).then(
      (through) => {
        const socket = openSocket(this.#options, secure, through);
        if (this.#closed) socket.destroy();
        else this.#establish(socket, true);
      },
      (error: Error) => {
        if (!this.#closed) this.#failed(error.message);
      },
    );
  }

  #establish(socket: net.Socket, isConnected: boolean): void {
    const { connectTimeout = defaultTimeout, pingInterval, pingsInCallsOnly } = this.#options;
    if (this.#calls === 0) socket.unref();
    const session = new ClientSession(
      socket,
      {
        ...{ isConnected, connectTimeout, pingInterval },
        isSecure: this.#options.tls !== undefined,
        pingsInCallsOnly: pingsInCallsOnly === true,
      },
      this,
    );
    this.#sessions.add(session);
  }

  sessionReady(session: ClientSession): void {
    const { connection } = session;
    if (this.#closed || connection === undefined) return;
    const former = this.#session;
    this.#connecting = false;
    this.#session = session;
    this.#http2 = connection;
    this.#open = 0;
    this.#started = 0;
    this.#renewAt = this.#mostStreams;
    this.#limit = connection.mostStreams;
    this.#generation += 1;
    former?.retire();
    this.#changed();
    this.#next();
  }

  sessionLimited(session: ClientSession): void {
    if (session !== this.#session || this.#http2 === undefined) return;
    this.#limit = this.#http2.mostStreams;
    this.#next();
  }

  sessionLost(session: ClientSession, reason: string): void {
    if (session !== this.#session) return;
    this.#reason = `the connection to ${this.name} was lost: ${reason}`;
    this.#leave();
    // A call that waits, or a listener, may have asked for another one.
    if (this.#closed || this.#connecting) return;
    if (performance.now() - session.startedAt < steadyAfter) return this.#connectLater();
    this.#failures = 0;
    if (this.#options.lazy !== true) this.#later(0);
  }

  sessionClosed(session: ClientSession, reason: string, isReached: boolean): void {
    this.#sessions.delete(session);
    if (session.isReady || this.#closed) return;
    this.#failed(reason);
    if (isReached) for (const listener of this.#protocolFailures) listener();
  }

  #failed(reason: string): void {
    this.#connecting = false;
    if (this.#session === undefined) {
      this.#reason = `cannot connect to ${this.name}: ${reason}`;
      for (const call of this.#waiting.values()) this.#refuse(call, this.#reason);
    }
    this.#connectLater();
  }

  #connectLater(): void {
    if (this.#options.lazy === true || this.#connecting) return;
    const { first, longest } = this.#options.pause ?? { first: 50, longest: 1000 };
    const pause = Math.min(first * 2 ** this.#failures, longest);
    this.#failures = Math.min(this.#failures + 1, 30);
    this.#later(pause * (0.8 + Math.random() * 0.2));
  }

  #later(pause: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#connectNow(), pause);
    if (this.#calls === 0) this.#timer.unref();
  }

  #leave(): void {
    if (this.#session === undefined) return;
    this.#session = undefined;
    this.#http2 = undefined;
    for (const call of this.#waiting.values()) {
      if (call.waits && !this.#closed) this.#connectNow();
      else this.#refuse(call, this.#reason);
    }
    this.#changed();
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}

function whenClosed(socket: net.Socket): Promise<void> {
  if (socket.closed) return Promise.resolve();
  return new Promise((resolve) => void socket.once("close", () => resolve()));
}
