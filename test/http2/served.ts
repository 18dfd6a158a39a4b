import { once } from "node:events";
import { connect, createServer, type AddressInfo } from "node:net";
import { Http2ClientConnection } from "../../src/http2/client-connection.ts";
import type { Http2Connection } from "../../src/http2/connection.ts";
import { ConnectionGroup, type ConnectionMemory } from "../../src/http2/connection-group.ts";
import type { HeaderBlock } from "../../src/http2/header-block.ts";
import { Http2ServerConnection } from "../../src/http2/server-connection.ts";
import type { Http2Stream, StreamListener, StreamReset } from "../../src/http2/stream.ts";
import { CountedMemory } from "./counted-memory.ts";
import { headers, requestBlock, Type } from "./raw-frames.ts";
import { listenRaw, RawPeer, type RawPeerOptions } from "./raw-peer.ts";

/** A request as the server saw it. */
export type SeenRequest = {
  readonly stream: Http2Stream;
  readonly head: HeaderBlock;
  /** Bytes of the body so far. */
  bytes: number;
  ended: boolean;
  trailers: HeaderBlock | undefined;
  reset: StreamReset | undefined;
  closed: boolean;
};

export type Served<Memory extends ConnectionMemory = CountedMemory> = AsyncDisposable & {
  readonly port: number;
  readonly group: ConnectionGroup<Http2Connection>;
  readonly memory: Memory;
  readonly requests: SeenRequest[];
  /** Why connections ended, in order. */
  readonly reasons: string[];
  /** How many sockets the system still has for it. */
  openSockets(): Promise<number>;
  /** Ends the work of all requests to `/hold`, now and later. */
  release(): void;
};

/**
 * A server on loopback. What it does is said by the path: `/bytes/N` answers with so many bytes, `/head/N` with a header of so many, `/hold` works on until
 * `release`, whatever becomes of the stream, `/early` answers before the body came, `/pause` reads nothing; all others
 * answer 200 with nothing once the request is whole.
 */
export async function serve(): Promise<Served>;
export async function serve<Memory extends ConnectionMemory>(options: {
  memory: Memory;
  /** Requests are not kept: there are many. */
  notesNothing?: boolean;
}): Promise<Served<Memory>>;
export async function serve({
  memory = new CountedMemory(),
  notesNothing = false,
}: { memory?: ConnectionMemory; notesNothing?: boolean } = {}): Promise<Served<ConnectionMemory>> {
  const group = new ConnectionGroup<Http2Connection>(memory);
  const requests: SeenRequest[] = [];
  const reasons: string[] = [];
  const held = new Set<Http2Stream>();
  let isReleased = false;

  function onStream(stream: Http2Stream, head: HeaderBlock): StreamListener {
    const path = head.get(":path") ?? "";
    const seen: SeenRequest = {
      ...{ stream, head, bytes: 0, ended: false },
      ...{ trailers: undefined, reset: undefined, closed: false },
    };
    if (!notesNothing) requests.push(seen);
    let left = path.startsWith("/bytes/") ? Number(path.slice("/bytes/".length)) : 0;
    const pump = (): void => {
      while (left > 0) {
        const part = Buffer.alloc(Math.min(left, 16_384), "b");
        left -= part.length;
        if (!stream.write(part) && left > 0) return;
      }
      stream.end();
    };
    if (path === "/hold" && !isReleased) {
      stream.retain();
      held.add(stream);
    }
    if (path === "/pause") stream.pause();
    if (path === "/early") {
      stream.sendHeaders([":status", "200"]);
      stream.endEarly();
    }
    return {
      data: (chunk) => (seen.bytes += chunk.length),
      ended(trailers) {
        seen.ended = true;
        seen.trailers = trailers;
        if (path === "/early" || held.has(stream)) return;
        if (left > 0) {
          stream.sendHeaders([":status", "200"]);
          pump();
        } else if (path.startsWith("/head/"))
          stream.sendHeaders([":status", "200", "large", "x".repeat(Number(path.slice(6)))], true);
        else stream.sendHeaders([":status", "200"], true);
      },
      drained: pump,
      closed(reset) {
        seen.reset = reset;
        seen.closed = true;
      },
    };
  }

  const server = createServer({ noDelay: true }, (socket) => {
    void new Http2ServerConnection(socket, {
      group,
      onStream,
      onClosed: (reason) => reasons.push(reason),
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    ...{ group, memory, requests, reasons },
    openSockets: () =>
      new Promise((resolve) => server.getConnections((_, count) => resolve(count))),
    release() {
      isReleased = true;
      for (const stream of held) {
        stream.release();
        if (!stream.isClosed && !stream.headersSent) stream.sendHeaders([":status", "200"], true);
      }
      held.clear();
    },
    async [Symbol.asyncDispose]() {
      for (const connection of [...group.connections]) connection.destroy();
      server.close();
    },
  };
}

/** The code of the GOAWAY that answers these frames on a connection of their own, while another one goes on. */
export async function goawayFor(frames: readonly Buffer[]): Promise<number> {
  await using served = await serve();
  using neighbour = await Neighbour.connect(served.port);
  using peer = await RawPeer.connect(served.port);
  await peer.send(...frames);
  const code = await peer.goawayCode();
  await neighbour.ask();
  return code;
}

/** A connection of one that breaks no rule; each question must be answered. */
export class Neighbour implements Disposable {
  readonly peer: RawPeer;
  #next = 1;

  private constructor(peer: RawPeer) {
    this.peer = peer;
  }

  static async connect(port: number): Promise<Neighbour> {
    const neighbour = new Neighbour(await RawPeer.connect(port));
    await neighbour.ask();
    return neighbour;
  }

  /** Resolves once a call was answered on this connection, to how many milliseconds that took. Rejects where it was reset. */
  async ask(): Promise<number> {
    const stream = this.#next;
    this.#next += 2;
    const begun = performance.now();
    await this.peer.send(headers(stream, requestBlock("/neighbour")));
    const isReset = (): boolean => this.peer.count(Type.reset, stream) > 0;
    await this.peer.until(() => this.peer.hasEnded(stream) || isReset(), "an answer");
    if (isReset()) throw new Error("the call was refused");
    return performance.now() - begun;
  }

  [Symbol.dispose](): void {
    this.peer.end();
  }
}

/** What came back for a request of a client under test. */
export type SeenAnswer = {
  readonly stream: Http2Stream;
  head: HeaderBlock | undefined;
  bytes: number;
  body: string;
  ended: boolean;
  trailers: HeaderBlock | undefined;
  reset: StreamReset | undefined;
  readonly closed: Promise<void>;
};

export type Dialled = AsyncDisposable & {
  readonly client: Http2ClientConnection;
  readonly memory: CountedMemory;
  /** The server that it dialled. */
  readonly peer: RawPeer;
  readonly limits: number[];
  readonly goaways: { readonly code: number; readonly lastStream: number; readonly text: string }[];
  /** Resolves to the reason once the connection is gone. */
  readonly over: Promise<string>;
  /** A request without a body. */
  ask(...fields: readonly string[]): SeenAnswer;
};

/** A client that dialled a peer; ready for calls. */
export async function dial(options: RawPeerOptions = {}): Promise<Dialled> {
  const listener = await listenRaw(options);
  const memory = new CountedMemory();
  const socket = connect({ host: "127.0.0.1", port: listener.port, noDelay: true });
  await once(socket, "connect");
  const ready = Promise.withResolvers<void>();
  const over = Promise.withResolvers<string>();
  const limits: number[] = [];
  const goaways: Dialled["goaways"] = [];
  const client = new Http2ClientConnection(socket, {
    onReady: () => ready.resolve(),
    onLimit: (most) => limits.push(most),
    onGoaway: (code, lastStream, text) => goaways.push({ code, lastStream, text }),
    onClosed: (reason) => over.resolve(reason),
    group: new ConnectionGroup<Http2Connection>(memory),
  });
  const peer = await listener.accept();
  if (options.isMute !== true) await ready.promise;
  return {
    ...{ client, memory, peer, limits, goaways, over: over.promise },
    ask(...fields) {
      const closed = Promise.withResolvers<void>();
      const seen: Partial<SeenAnswer> = {};
      const listenerOfStream: StreamListener = {
        headers: (head) => (seen.head = head),
        data(chunk) {
          seen.bytes = (seen.bytes ?? 0) + chunk.length;
          seen.body = (seen.body ?? "") + chunk.toString("latin1");
        },
        ended(trailers) {
          seen.ended = true;
          seen.trailers = trailers;
        },
        closed(reset) {
          seen.reset = reset;
          closed.resolve();
        },
      };
      const head =
        fields.length > 0
          ? fields
          : [":method", "POST", ":scheme", "http", ":path", "/ask", ":authority", "localhost"];
      const stream = client.open(head, listenerOfStream, true);
      return Object.assign(seen, {
        ...{ stream, head: undefined, bytes: 0, body: "", ended: false },
        ...{ trailers: undefined, reset: undefined, closed: closed.promise },
      });
    },
    async [Symbol.asyncDispose]() {
      client.destroy();
      await listener[Symbol.asyncDispose]();
    },
  };
}
