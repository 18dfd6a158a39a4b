import net from "node:net";
import { type Dispatcher, Pool } from "undici";
import { type AnswerLimits, AnswerRoom } from "../grpc/answer-room.ts";
import { ByteParts } from "../memory/byte-parts.ts";
import { messageOf } from "../errors.ts";
import { longestTimer } from "../metadata/duration.ts";
import type { HttpClient, HttpLimits, HttpRequest, HttpResult } from "./http-client.ts";

export type Http1ClientOptions = {
  readonly host: string;
  readonly port: number;
  /** TLS, with whatever certificate the server shows. */
  readonly secure: boolean;
  readonly answers: AnswerLimits;
};

const connectTimeout = 10_000;
const noHeaders = {};
const firstPause = 50;
const longestPause = 1000;
/** More requests than this at a time wait for a connection. */
const mostConnections = 512;

/**
 * A client of an HTTP/1.1 server. It is ready while a TCP connection can be made: tried at once and, after
 * a request that could not be written, again with a growing pause.
 */
export class Http1Client implements HttpClient {
  readonly #options: Http1ClientOptions;
  readonly #pool: Pool;
  readonly #listeners = new Set<() => void>();
  readonly #protocolFailures = new Set<() => void>();
  #reason: string;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #socket: net.Socket | undefined;
  #closed = false;

  constructor(options: Http1ClientOptions) {
    this.#options = options;
    const host = net.isIPv6(options.host) ? `[${options.host}]` : options.host;
    this.#pool = new Pool(`${options.secure ? "https" : "http"}://${host}:${options.port}`, {
      connections: mostConnections,
      pipelining: 1,
      allowH2: false,
      // An app may take its time: undici's own limits of 300 s are off.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: { timeout: connectTimeout, rejectUnauthorized: false, keepAlive: true },
    });
    this.#reason = `connecting to ${host}:${options.port}`;
    this.#connect();
  }

  get ready(): boolean {
    return this.#reason === "";
  }

  get reason(): string {
    return this.#reason;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  onProtocolFailure(listener: () => void): () => void {
    this.#protocolFailures.add(listener);
    return () => this.#protocolFailures.delete(listener);
  }

  async send(request: HttpRequest, limits: HttpLimits): Promise<HttpResult> {
    if (!this.ready) return { kind: "unsent", reason: this.#reason };
    const exchange = new Http1Exchange(limits, this.#options.answers);
    const { method, target: path, headers, body } = request;
    try {
      if (exchange.begin())
        this.#pool.dispatch({ method, path, headers, body: body ?? null }, exchange);
    } catch (thrown) {
      return { kind: "broken", reason: `the request cannot be sent: ${messageOf(thrown)}` };
    }
    const result = await exchange.result;
    if (exchange.connectionFailed) this.#lost(result.kind === "unsent" ? result.reason : "");
    else if (result.kind === "answered") this.#failures = 0;
    // Whoever is not there cannot be asked what it speaks, which costs as little as this guess.
    if (exchange.connectionFailed || exchange.broke)
      for (const listener of this.#protocolFailures) listener();
    return result;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#socket?.destroy();
    this.#reason = "the connection was closed";
    this.#listeners.clear();
    await this.#pool.destroy();
  }

  #lost(reason: string): void {
    if (!this.ready) return;
    this.#connectLater(reason);
    this.#changed();
  }

  #connect(): void {
    const { host, port } = this.#options;
    const socket = net.connect({ host, port, timeout: connectTimeout });
    this.#socket = socket;
    socket.on("connect", () => {
      socket.destroy();
      if (this.#closed) return;
      this.#reason = "";
      this.#changed();
    });
    socket.on("timeout", () =>
      socket.destroy(new Error(`no connection within ${connectTimeout} ms`)),
    );
    socket.on("error", (error) => this.#connectLater(messageOf(error)));
  }

  #connectLater(reason: string): void {
    if (this.#closed) return;
    const { host, port } = this.#options;
    this.#reason = `cannot connect to ${host}:${port}: ${reason}`;
    const pause = Math.min(firstPause * 2 ** this.#failures, longestPause);
    this.#failures = Math.min(this.#failures + 1, 30);
    this.#timer = setTimeout(() => this.#connect(), pause * (0.8 + Math.random() * 0.2));
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** One request, as undici reports on it. */
class Http1Exchange implements Dispatcher.DispatchHandler {
  readonly result: Promise<HttpResult>;
  /** It ended because no connection could be made. */
  connectionFailed = false;
  /** The connection ended before the answer did, or what came is no HTTP. */
  broke = false;
  readonly #limits: HttpLimits;
  readonly #room: AnswerRoom;
  readonly #parts = new ByteParts();
  #resolve: ((result: HttpResult) => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #status = 0;
  #headers: Record<string, string | string[] | undefined> = noHeaders;

  constructor(limits: HttpLimits, answers: AnswerLimits) {
    this.#limits = limits;
    this.#room = new AnswerRoom(answers);
    this.result = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** Starts the clock and listens for cancellation. False when it is cancelled already. */
  begin(): boolean {
    const { signal, timeout } = this.#limits;
    if (signal?.aborted === true) {
      this.#finish({ kind: "unsent", reason: "cancelled before it was sent" });
      return false;
    }
    signal?.addEventListener("abort", this.#cancel);
    if (timeout !== undefined) {
      const giveUp = (): void => this.#abort(`no answer within ${timeout} ms`);
      this.#timer = setTimeout(giveUp, Math.min(timeout, longestTimer));
    }
    return true;
  }

  /** Called when a connection is there and the request is about to be written. */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#resolve === undefined) controller.abort(new Error("cancelled"));
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    this.#status = status;
    this.#headers = headers;
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#resolve === undefined) return;
    const refusal = this.#room.take(chunk.length);
    if (refusal === undefined) this.#parts.add(chunk);
    else this.#abort(refusal);
  }

  onResponseEnd(): void {
    const body = this.#parts.whole();
    this.#finish({ kind: "answered", status: this.#status, headers: this.#headers, body });
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    const reason = messageOf(error);
    if (this.#controller === undefined) {
      this.connectionFailed = this.#resolve !== undefined;
      this.#finish({ kind: "unsent", reason });
    } else {
      this.broke = this.#resolve !== undefined;
      this.#finish({ kind: "broken", reason: `the connection broke: ${reason}` });
    }
  }

  readonly #cancel = (): void => this.#abort("cancelled");

  #abort(reason: string): void {
    const controller = this.#controller;
    if (controller === undefined) {
      this.#finish({ kind: "unsent", reason: `${reason}, before it was sent` });
      return;
    }
    this.#finish({ kind: "broken", reason });
    controller.abort(new Error(reason));
  }

  #finish(result: HttpResult): void {
    const resolve = this.#resolve;
    if (resolve === undefined) return;
    this.#resolve = undefined;
    this.#parts.clear();
    this.#room.release();
    clearTimeout(this.#timer);
    this.#limits.signal?.removeEventListener("abort", this.#cancel);
    resolve(result);
  }
}
