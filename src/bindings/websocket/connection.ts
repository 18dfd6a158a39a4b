import type { RawData, WebSocket } from "ws";
import type { Opening } from "../../binding.ts";
import { BindingError } from "../../errors.ts";
import { parseAddress } from "../../http-client/address.ts";
import { setHeader, userAgent } from "../../http-client/headers.ts";
import type { RequestHeaders } from "../../http-client/headers.ts";
import { withoutRest } from "../../memory/byte-parts.ts";
import { formatByteSize } from "../../metadata/byte-size.ts";
import { formatDuration, longestTimer } from "../../metadata/duration.ts";
import { webSocketCarrier } from "../../proxy/web-socket.ts";
import { tlsMaterial } from "../../tls/pem.ts";
import { broken, closedBy, refusedWith } from "./failures.ts";
import type { websocketFields, WebsocketMetadata } from "./fields.ts";

export type Message = { readonly data: Buffer; readonly isBinary: boolean };

type ConnectionOptions = Pick<
  Opening<typeof websocketFields>,
  "metadata" | "memory" | "lost" | "signal"
>;

const handshakeTimeout = 15_000;
/** How long the server may take to answer that the connection is closed. */
const closeTimeout = 1_000;

/** One WebSocket. Nothing is read of it before somebody takes the messages. */
export class Connection implements AsyncDisposable {
  readonly #socket: WebSocket;
  readonly #metadata: WebsocketMetadata;
  readonly #lost: (reason: unknown) => void;
  #take: ((message: Message) => void) | undefined;
  #held = true;
  #isClosing = false;
  /** Why it has ended. */
  #end: BindingError | undefined;
  #lastSeen = performance.now();
  #pinging: NodeJS.Timeout | undefined;
  #pinged: NodeJS.Timeout | undefined;
  /** The URL without user and query. */
  readonly source: string;
  /** Whether the opening messages were sent. */
  isGreeted = false;

  private constructor(
    socket: WebSocket,
    metadata: WebsocketMetadata,
    source: string,
    lost: (reason: unknown) => void,
  ) {
    this.#socket = socket;
    this.#metadata = metadata;
    this.source = source;
    this.#lost = lost;
    const seen = (): void => void (this.#lastSeen = performance.now());
    socket.on("message", (data: RawData, isBinary: boolean) => {
      seen();
      // It may be a corner of all that was read at one time.
      this.#take?.({ data: withoutRest(data as Buffer), isBinary });
    });
    socket.on("ping", seen);
    socket.on("pong", seen);
    socket.on("error", (error) => this.#ended(broken(error, "ambiguous")));
    socket.on("close", (code, reason) => this.#ended(closedBy(code, reason, "ambiguous")));
    socket.pause();
    const { pingInterval } = metadata;
    if (pingInterval > 0)
      this.#pinging = setInterval(() => this.#ping(), Math.min(pingInterval, longestTimer));
  }

  /** Connects, with the server's choice of the subprotocols. Rejects with a `BindingError` that is `unsent`. */
  static async open({ metadata, memory, lost, signal }: ConnectionOptions): Promise<Connection> {
    const { url, source, headers } = target(metadata);
    const { WebSocket } = await import("ws");
    const inTime = AbortSignal.any([signal, AbortSignal.timeout(handshakeTimeout)]);
    const carrier = await webSocketCarrier(url, inTime).catch((error: Error) => {
      throw handshakeFailure(error);
    });
    const socket = new WebSocket(url, [...new Set(metadata.subprotocols)], {
      ...{ headers, handshakeTimeout, followRedirects: false, perMessageDeflate: false },
      // The library gathers a message before anybody counts it: it is never more than the component may hold.
      maxPayload: Math.min(metadata.maxMessageSize, memory.limit),
      ...{ minVersion: "TLSv1.2", ...tlsMaterial(metadata), ...carrier },
    });
    const giveUp = (): void => socket.terminate();
    signal.addEventListener("abort", giveUp, { once: true });
    try {
      return await new Promise((resolve, reject) => {
        socket.on("unexpected-response", (request, { statusCode = 0, headers }) => {
          reject(refusedWith(statusCode, headers["retry-after"]));
          request.destroy();
        });
        socket.on("error", (error) => reject(handshakeFailure(error)));
        socket.on("open", () => resolve(new Connection(socket, metadata, source, lost)));
        if (signal.aborted) giveUp();
      });
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  }

  get subprotocol(): string {
    return this.#socket.protocol;
  }

  /** Hands each message over from now on. */
  take(take: (message: Message) => void): void {
    this.#take = take;
    this.resume();
  }

  /** Reads no more, until it is taken again. */
  release(): void {
    this.#take = undefined;
    this.hold();
  }

  /** Drops what comes. */
  drop(): void {
    this.take(() => undefined);
  }

  /** Reads no more; what is read already still comes. */
  hold(): void {
    if (this.#held) return;
    this.#held = true;
    this.#socket.pause();
  }

  resume(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#lastSeen = performance.now();
    this.#socket.resume();
  }

  /** Resolves once the system has taken it. Rejects with a `BindingError`. */
  send(data: Uint8Array, isBinary: boolean, signal?: AbortSignal): Promise<void> {
    const { maxMessageSize } = this.#metadata;
    if (data.length > maxMessageSize) {
      const text = `the message has more than ${formatByteSize(maxMessageSize)} (maxMessageSize)`;
      throw new BindingError("invalid_argument", text);
    }
    if (this.#end !== undefined || this.#socket.readyState !== this.#socket.OPEN) {
      const why = this.#end === undefined ? "" : `: ${this.#end.message}`;
      throw new BindingError("unavailable", `it is not connected${why}`, { effect: "unsent" });
    }
    return new Promise((resolve, reject) => {
      const cancelled = (): void =>
        reject(
          new BindingError("cancelled", "cancelled while the message was sent", {
            ...{ effect: "ambiguous", cause: signal?.reason },
          }),
        );
      signal?.addEventListener("abort", cancelled, { once: true });
      this.#socket.send(data, { binary: isBinary, compress: false }, (error) => {
        signal?.removeEventListener("abort", cancelled);
        if (error) reject(this.#end ?? broken(error, "ambiguous"));
        else resolve();
      });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosing = true;
    clearInterval(this.#pinging);
    clearTimeout(this.#pinged);
    this.#take = undefined;
    const socket = this.#socket;
    if (socket.readyState === socket.CLOSED) return;
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    socket.close(1000);
    // Its answer is behind what was not read.
    socket.resume();
    const timer = setTimeout(() => socket.terminate(), closeTimeout);
    await closed;
    clearTimeout(timer);
  }

  #ping(): void {
    if (this.#held || this.#pinged !== undefined) return;
    const since = performance.now();
    this.#socket.ping();
    const { pingTimeout } = this.#metadata;
    this.#pinged = setTimeout(
      () => {
        this.#pinged = undefined;
        // While nothing is read, no answer is either.
        if (this.#held || this.#lastSeen >= since) return;
        const text = `the server has not answered a ping within ${formatDuration(pingTimeout)} (pingTimeout)`;
        this.#ended(new BindingError("unavailable", text, { effect: "ambiguous" }));
        this.#socket.terminate();
      },
      Math.min(pingTimeout, longestTimer),
    );
  }

  #ended(reason: BindingError): void {
    if (this.#end !== undefined) return;
    this.#end = reason;
    clearInterval(this.#pinging);
    clearTimeout(this.#pinged);
    if (!this.#isClosing) this.#lost(reason);
  }
}

/** Where to connect, and with which headers. Throws a `BindingError` for what cannot be used. */
export function target({ url, headers: own, subprotocols }: WebsocketMetadata): {
  url: string;
  source: string;
  headers: Record<string, string>;
} {
  const scheme = /^(wss?):\/\//i.exec(url)?.[1]?.toLowerCase();
  if (scheme === undefined)
    throw new BindingError("invalid_argument", "the URL must begin with ws:// or wss://");
  const address = parseAddress(url.replace(/^ws/i, "http"));
  const origin = address.origin.replace(/^http/, "ws");
  for (const name of subprotocols ?? []) {
    if (/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) continue;
    const text = `the subprotocol ${JSON.stringify(name)} cannot be offered`;
    throw new BindingError("invalid_argument", text);
  }
  const headers: RequestHeaders = new Map([["user-agent", userAgent]]);
  if (address.authorization !== undefined)
    setHeader(headers, "Authorization", address.authorization);
  for (const [name, value] of own) {
    if (/^sec-websocket-/i.test(name))
      throw new BindingError("invalid_argument", `the header ${name} belongs to the handshake`);
    setHeader(headers, name, value);
  }
  return {
    url: origin + address.path,
    source: origin + address.path.replace(/\?.*$/, ""),
    headers: Object.fromEntries(
      [...headers.values()].map(({ name, value }) => [name, Buffer.from(value).toString("latin1")]),
    ),
  };
}

function handshakeFailure(error: Error): BindingError {
  const { message } = error;
  // What the library says of a server that answers something else.
  if (/subprotocol|Sec-WebSocket|Upgrade header/i.test(message))
    return new BindingError("failed_precondition", message, { effect: "unsent", cause: error });
  if (/handshake has timed out|closed before/i.test(message)) {
    const text = "the server has not answered the handshake";
    return new BindingError("unavailable", text, { effect: "unsent", cause: error });
  }
  return broken(error, "unsent");
}
