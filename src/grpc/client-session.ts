import type net from "node:net";
import type tls from "node:tls";
import { Http2ClientConnection } from "../http2/client-connection.ts";
import { ErrorCode } from "../http2/error-code.ts";

export type SessionOptions = {
  /** The socket is one of TLS. */
  readonly isSecure: boolean;
  /** The socket is connected, as far as TCP goes. */
  readonly isConnected: boolean;
  /** Milliseconds until the server's SETTINGS. */
  readonly connectTimeout: number;
  readonly pingInterval: number | undefined;
  readonly pingsInCallsOnly: boolean;
};

/** Told about sessions. */
export type SessionOwner = {
  /** The server's SETTINGS are there. */
  sessionReady(session: ClientSession): void;
  /** The server has changed how many streams it takes. */
  sessionLimited(session: ClientSession): void;
  /** It takes no new streams any more, after {@link sessionReady}. May be told twice. */
  sessionLost(session: ClientSession, reason: string): void;
  /** Its socket is closed; `isReached`: there was one to the server. Without {@link sessionReady}, it has failed. */
  sessionClosed(session: ClientSession, reason: string, isReached: boolean): void;
};

/** One connection to a server, from its first packet to its last. */
export class ClientSession {
  readonly socket: net.Socket;
  /** On the clock of `performance.now()`. */
  readonly startedAt = performance.now();
  /** There once the server was reached. */
  connection: Http2ClientConnection | undefined;
  isReady = false;
  /** Why it ended, or will. */
  #failure = "";
  readonly #options: SessionOptions;
  readonly #owner: SessionOwner;
  readonly #timer: NodeJS.Timeout;
  #pings: NodeJS.Timeout | undefined;
  #isReached = false;
  #isClosed = false;

  constructor(socket: net.Socket, options: SessionOptions, owner: SessionOwner) {
    this.socket = socket;
    this.#options = options;
    this.#owner = owner;
    const { isSecure, isConnected, connectTimeout } = options;
    this.#isReached = isConnected;
    socket.once("connect", () => (this.#isReached = true));
    socket.on("error", (error) => {
      this.#failure ||= describe(error);
      socket.destroy();
    });
    // Later it is told by the connection, after the ends of its streams.
    socket.once("close", () => {
      if (this.connection === undefined) this.#closed();
    });
    this.#timer = setTimeout(() => {
      this.destroy(`no HTTP/2 answer within ${connectTimeout} ms`);
    }, connectTimeout);
    this.#timer.unref();
    if (isConnected && !isSecure) this.#begin();
    else socket.once(isSecure ? "secureConnect" : "connect", () => this.#begin());
  }

  /** Takes no new streams, and ends after those that are open. */
  retire(): void {
    this.connection?.close();
  }

  destroy(reason: string): void {
    this.#failure ||= reason;
    if (this.connection === undefined) this.socket.destroy();
    else {
      this.connection.destroy(ErrorCode.noError, reason);
      // The server need not end its side first.
      this.socket.destroySoon();
    }
  }

  #begin(): void {
    const { socket } = this;
    if (this.#options.isSecure) {
      const { alpnProtocol } = socket as tls.TLSSocket;
      if (alpnProtocol !== "h2") {
        const chosen = alpnProtocol || "no protocol";
        return this.destroy(`${noHttp2}: it chose ${chosen} by ALPN, not h2`);
      }
    }
    this.connection = new Http2ClientConnection(socket, {
      onReady: () => this.#ready(),
      onLimit: () => {
        if (this.isReady) this.#owner.sessionLimited(this);
      },
      onGoaway: (code, _lastStream, text) => {
        const why = text === "" ? "" : `: ${text}`;
        this.#failure ||= `the server ended the connection (GOAWAY ${code}${why})`;
        if (this.isReady) this.#owner.sessionLost(this, this.#failure);
      },
      onClosed: (reason) => {
        this.#failure ||= reason;
        this.#closed();
      },
    });
    if (this.#options.isConnected) socket.resume();
  }

  #ready(): void {
    clearTimeout(this.#timer);
    this.isReady = true;
    this.#keepAlive();
    this.#owner.sessionReady(this);
  }

  #closed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#timer);
    clearInterval(this.#pings);
    const reason = this.#failure || "the server ended the connection";
    if (this.isReady) this.#owner.sessionLost(this, reason);
    this.#owner.sessionClosed(this, reason, this.#isReached);
  }

  #keepAlive(): void {
    const { pingInterval, pingsInCallsOnly } = this.#options;
    const { connection } = this;
    if (pingInterval === undefined || connection === undefined) return;
    let isAnswered = true;
    const answered = (): void => {
      isAnswered = true;
    };
    this.#pings = setInterval(() => {
      if (!isAnswered) return this.destroy(`a ping stayed unanswered for ${pingInterval} ms`);
      if (pingsInCallsOnly && connection.openStreams === 0) return;
      isAnswered = false;
      connection.ping(answered);
    }, pingInterval);
    this.#pings.unref();
  }
}

const noHttp2 = "the server speaks no HTTP/2 over TLS";

function describe(error: Error): string {
  const { code = "", reason } = error as NodeJS.ErrnoException & { readonly reason?: string };
  if (code === "ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL")
    return `${noHttp2}: it takes no h2 by ALPN`;
  if (error instanceof AggregateError) return error.errors.map(String).join("; ");
  // OpenSSL's message has places in its source.
  if (!code.startsWith("ERR_SSL_") || reason === undefined) return error.message;
  const isCleartext = code === "ERR_SSL_WRONG_VERSION_NUMBER";
  return isCleartext ? `no TLS is spoken there (${reason})` : `TLS: ${reason}`;
}
