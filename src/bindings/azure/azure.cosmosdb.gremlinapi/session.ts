import { randomUUID } from "node:crypto";
import type { RawData, WebSocket } from "ws";
import { abortFailure } from "../../../abortable.ts";
import { BindingError } from "../../../errors.ts";
import { userAgent } from "../../../http-client/headers.ts";
import { assuredBytes, type MemoryShare, type Reservation } from "../../../memory/budget.ts";
import { webSocketCarrier } from "../../../proxy/web-socket.ts";
import { broken, closedBy, executing, failureOf, refusedWith, tooLarge } from "./failures.ts";
import {
  decodeResponse,
  encodeLogin,
  encodeQuery,
  joined,
  type Query,
  type Response,
} from "./protocol.ts";

export type SessionOptions = {
  readonly url: string;
  /** What a challenge is answered with. */
  readonly login: string;
  readonly ca: string | undefined;
  readonly memory: MemoryShare;
};

/** The result of a query, as JSON, and what the server says beside it. */
export type Result = { readonly data: string; readonly attributes: Response["attributes"] };

type Call = {
  readonly room: Reservation;
  readonly parts: string[];
  isChallenged: boolean;
  readonly done: (outcome: Result | BindingError) => void;
};

const handshakeTimeout = 15_000;
/** How long the server may take to answer that the connection is closed. Milliseconds. */
const closeTimeout = 1_000;
/** A server that wants a login says so at once. Milliseconds. */
const challengeTimeout = 1_000;
const pongTimeout = 10_000;
const [success, noContent, partialContent, challenge] = [200, 204, 206, 407];

/** One WebSocket, on which queries run side by side. */
export class Session {
  readonly #socket: WebSocket;
  readonly #options: SessionOptions;
  readonly #calls = new Map<string, Call>();
  readonly #ended = Promise.withResolvers<BindingError>();
  /** Resolves once it is clear whether the server wants a login. */
  readonly #loggedIn = Promise.withResolvers<void>();
  #isFirst = true;
  #end: BindingError | undefined;

  private constructor(socket: WebSocket, options: SessionOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.on("message", (data: RawData) => this.#take((data as Buffer).toString("utf8")));
    socket.on("error", (error) => this.#over(broken(error, "ambiguous")));
    socket.on("close", (code, reason) => this.#over(closedBy(code, reason)));
  }

  /** Connects; nobody logs in before the first query. Rejects with a `BindingError` that is `unsent`. */
  static async open(options: SessionOptions): Promise<Session> {
    const { WebSocket } = await import("ws");
    const { url, ca, memory } = options;
    const inTime = AbortSignal.timeout(handshakeTimeout);
    const carrier = await webSocketCarrier(url, inTime).catch((error: Error) => {
      throw broken(error, "unsent");
    });
    const socket = new WebSocket(url, [], {
      ...{ handshakeTimeout, followRedirects: false, perMessageDeflate: false },
      headers: { [userAgent.name]: userAgent.value },
      // The library gathers a message before anybody counts it.
      ...{ maxPayload: memory.limit, minVersion: "TLSv1.2" },
      ...(ca === undefined ? {} : { ca }),
      ...carrier,
    });
    return new Promise((resolve, reject) => {
      socket.on("unexpected-response", (request, { statusCode = 0 }) => {
        reject(refusedWith(statusCode));
        request.destroy();
      });
      socket.on("error", (error) => reject(broken(error, "unsent")));
      socket.on("open", () => resolve(new Session(socket, options)));
    });
  }

  /** Resolves with the reason once the connection is gone. */
  get ended(): Promise<BindingError> {
    return this.#ended.promise;
  }

  async run(query: Query, signal: AbortSignal): Promise<Result> {
    await this.#untilLoggedIn(signal);
    const id = randomUUID();
    const room = this.#options.memory.open(assuredBytes);
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const done = (outcome: Result | BindingError): void => {
      this.#calls.delete(id);
      if (outcome instanceof BindingError) reject(outcome);
      else resolve(outcome);
    };
    // What comes later is dropped.
    const cancel = (): void => done(abortFailure(executing, signal.reason, "ambiguous"));
    signal.addEventListener("abort", cancel, { once: true });
    try {
      this.#calls.set(id, { room, parts: [], isChallenged: false, done });
      this.#socket.send(encodeQuery(id, query), { binary: true }, (error) => {
        if (error) this.#over(broken(error, "ambiguous"));
      });
      return await promise;
    } finally {
      signal.removeEventListener("abort", cancel);
      room.release();
    }
  }

  /** Resolves once the server has answered a ping of the WebSocket; if it does not, the connection is given up. */
  async ping(signal: AbortSignal): Promise<void> {
    const limited = AbortSignal.any([signal, AbortSignal.timeout(pongTimeout)]);
    const pong = Promise.withResolvers<BindingError | undefined>();
    const answered = (): void => pong.resolve(undefined);
    const silent = (): void => {
      const text = "the server does not answer a ping";
      this.#over(new BindingError("unavailable", text, { effect: "ambiguous" }));
    };
    limited.addEventListener("abort", silent, { once: true });
    this.#socket.once("pong", answered);
    try {
      this.#socket.ping();
      const end = await Promise.race([pong.promise, this.ended]);
      if (end !== undefined) throw end;
    } finally {
      limited.removeEventListener("abort", silent);
      this.#socket.off("pong", answered);
    }
  }

  async close(): Promise<void> {
    const socket = this.#socket;
    if (socket.readyState === socket.CLOSED) return;
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    socket.close(1000);
    const timer = setTimeout(() => socket.terminate(), closeTimeout);
    await closed;
    clearTimeout(timer);
  }

  /** The first query is challenged alone; those behind it wait until its login is on the way. */
  async #untilLoggedIn(signal: AbortSignal): Promise<void> {
    if (this.#isFirst) {
      this.#isFirst = false;
      setTimeout(this.#loggedIn.resolve, challengeTimeout).unref();
    } else await this.#loggedIn.promise;
    if (signal.aborted) throw abortFailure(executing, signal.reason, "unsent");
    if (this.#end === undefined) return;
    const { reason, message, systemCode } = this.#end;
    throw new BindingError(reason, message, { effect: "unsent", systemCode });
  }

  #take(text: string): void {
    let response: Response;
    try {
      response = decodeResponse(text);
    } catch {
      const why = `${executing}: the server's answer is no response of Gremlin Server`;
      this.#over(new BindingError("internal", why, { effect: "ambiguous" }));
      return;
    }
    const { id } = response;
    if (id === undefined) {
      this.#over(failureOf(response));
      return;
    }
    const call = this.#calls.get(id);
    if (response.code === challenge && call?.isChallenged !== true) {
      if (call !== undefined) call.isChallenged = true;
      this.#socket.send(encodeLogin(id, this.#options.login), { binary: true });
      this.#loggedIn.resolve();
      return;
    }
    this.#loggedIn.resolve();
    if (call !== undefined) this.#answer(call, response);
  }

  #answer({ room, parts, done }: Call, response: Response): void {
    const { code, data, attributes } = response;
    if (code !== success && code !== noContent && code !== partialContent) {
      const failure = failureOf(response);
      done(failure);
      // What it thinks of this login does not change.
      if (failure.reason === "unauthenticated") this.#over(failure);
      return;
    }
    // As text, and once more in the answer.
    if (!room.reserve(2 * data.length)) return done(tooLarge());
    parts.push(data);
    if (code === partialContent) return;
    try {
      done({ data: joined(parts), attributes });
    } catch {
      const text = `${executing}: the parts of the result are no arrays`;
      done(new BindingError("internal", text, { effect: "ambiguous" }));
    }
  }

  #over(reason: BindingError): void {
    if (this.#end !== undefined) return;
    this.#end = reason;
    this.#ended.resolve(reason);
    this.#loggedIn.resolve();
    for (const { done } of this.#calls.values()) done(reason);
    this.#socket.terminate();
  }
}
