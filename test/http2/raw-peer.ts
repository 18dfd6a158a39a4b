import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { takeFrames, type Http2Frame } from "../grpc/http2-frame.ts";
import { frame, Flags, ping, preface, settings, settingsAck, Type } from "./raw-frames.ts";

export type RawPeerOptions = {
  /** Identifiers and values of the first SETTINGS. */
  readonly settings?: readonly number[];
  /** Nothing is said on its own: no preface, no SETTINGS. */
  readonly isMute?: boolean;
  /** SETTINGS and PING of the other side are not answered. */
  readonly answersNothing?: boolean;
  /** The bodies of DATA frames are counted, and not kept. */
  readonly forgetsData?: boolean;
};

/**
 * One end of an HTTP/2 connection that says what a test tells it, frame by frame, and notes what comes. On its own it sends
 * the preface, its SETTINGS, and the answers to SETTINGS and PING.
 */
export class RawPeer {
  readonly socket: Socket;
  /** All that came, in order. */
  readonly frames: Http2Frame[] = [];
  /** Bytes of DATA that came. */
  dataBytes = 0;
  isClosed = false;
  /** Resolves once the connection is gone, however that came about. */
  readonly closed: Promise<void>;
  readonly #options: RawPeerOptions;
  #unread: Buffer = Buffer.alloc(0);
  #pings = 0;
  readonly #ended = new Set<number>();
  readonly #watches = new Set<() => void>();

  constructor(socket: Socket, options: RawPeerOptions, isClient: boolean) {
    this.socket = socket;
    this.#options = options;
    this.#isPrefaceRead = isClient;
    this.closed = new Promise((resolve) => {
      socket.once("close", () => {
        this.isClosed = true;
        this.#tell();
        resolve();
      });
    });
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    if (options.isMute === true) return;
    if (isClient) socket.write(preface);
    socket.write(settings(...(options.settings ?? [])));
  }

  #isPrefaceRead: boolean;

  /** Connects as a client; resolves once connected. */
  static async connect(port: number, options: RawPeerOptions = {}): Promise<RawPeer> {
    const socket = connect({ host: "127.0.0.1", port, noDelay: true });
    await once(socket, "connect");
    return new RawPeer(socket, options, true);
  }

  /** Writes in one piece. Resolves once the system has taken it. */
  send(...frames: readonly Uint8Array[]): Promise<void> {
    return new Promise((resolve) => {
      if (this.socket.destroyed) return resolve();
      this.socket.write(
        frames.length === 1 ? (frames[0] as Uint8Array) : Buffer.concat(frames),
        () => resolve(),
      );
    });
  }

  /** The first frame that matches, of those that came and of those to come. Rejects when the connection ends before. */
  async find(matches: (frame: Http2Frame) => boolean, what: string): Promise<Http2Frame> {
    let at = 0;
    for (;;) {
      for (; at < this.frames.length; at++) {
        const seen = this.frames[at] as Http2Frame;
        if (matches(seen)) return seen;
      }
      if (this.isClosed)
        throw new Error(`the connection ended before ${what}; seen: ${this.summary}`);
      await this.#changed();
    }
  }

  /** Waits until the condition holds, which is looked at after each chunk and at the end. Rejects when it then does not. */
  async until(condition: () => boolean, what: string): Promise<void> {
    while (!condition()) {
      if (this.isClosed)
        throw new Error(`the connection ended before ${what}; seen: ${this.summary}`);
      await this.#changed();
    }
  }

  /** The code that the stream was reset with. */
  async resetOf(stream: number): Promise<number> {
    const matches = (one: Http2Frame): boolean => one.type === Type.reset && one.stream === stream;
    return (await this.find(matches, `RST_STREAM of ${stream}`)).payload.readUInt32BE(0);
  }

  /** The code of the GOAWAY that says one, once the connection is closed. */
  async goawayCode(): Promise<number> {
    await this.closed;
    const last = this.frames.findLast(({ type }) => type === Type.goaway);
    if (last === undefined) throw new Error(`closed without GOAWAY; seen: ${this.summary}`);
    return last.payload.readUInt32BE(4);
  }

  /** Waits until the other side has answered all that was sent before. */
  async roundTrip(): Promise<void> {
    const opaque = `trip${this.#pings++}`.padEnd(8);
    await this.send(ping(opaque));
    await this.find(
      ({ type, flags, payload }) =>
        type === Type.ping && flags === Flags.ack && payload.toString("latin1") === opaque,
      "the answer to PING",
    );
  }

  /** How many frames of this type came; on one stream where it is named. */
  count(type: number, stream?: number): number {
    let found = 0;
    for (const one of this.frames)
      if (one.type === type && (stream === undefined || one.stream === stream)) found++;
    return found;
  }

  /** Whether the stream's message is whole. */
  hasEnded(stream: number): boolean {
    return this.#ended.has(stream);
  }

  async ended(stream: number): Promise<void> {
    await this.until(() => this.hasEnded(stream), `the end of stream ${stream}`);
  }

  /** What came, for a failure's text. */
  get summary(): string {
    const last = this.frames.slice(-12).map(({ type, flags, stream, payload }) => {
      const code = type === Type.reset ? ` code ${payload.readUInt32BE(0)}` : "";
      const end =
        type === Type.goaway ? ` ${payload.readUInt32BE(4)} ${payload.toString("latin1", 8)}` : "";
      return `[type ${type} flags ${flags} stream ${stream}${code}${end}]`;
    });
    return `${this.frames.length} frames, the last: ${last.join(" ")}`;
  }

  end(): void {
    this.socket.destroy();
  }

  [Symbol.dispose](): void {
    this.end();
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => this.#watches.add(resolve));
  }

  #tell(): void {
    for (const watch of this.#watches) watch();
    this.#watches.clear();
  }

  #read(chunk: Buffer): void {
    let bytes = this.#unread.length === 0 ? chunk : Buffer.concat([this.#unread, chunk]);
    if (!this.#isPrefaceRead) {
      if (bytes.length < preface.length) {
        this.#unread = bytes;
        return;
      }
      bytes = bytes.subarray(preface.length);
      this.#isPrefaceRead = true;
    }
    this.#unread = takeFrames(bytes, (one) => this.#take(one));
    this.#tell();
  }

  #take(one: Http2Frame): void {
    const { type, flags, payload } = one;
    if ((type === Type.headers || type === Type.data) && (flags & Flags.endStream) !== 0)
      this.#ended.add(one.stream);
    if (type === Type.data) {
      this.dataBytes += payload.length;
      if (this.#options.forgetsData === true && (flags & Flags.endStream) === 0) return;
    }
    this.frames.push(one);
    if (this.#options.answersNothing === true || (flags & Flags.ack) !== 0) return;
    if (type === Type.settings) this.socket.write(settingsAck);
    if (type === Type.ping) this.socket.write(frame(Type.ping, Flags.ack, 0, payload));
  }
}

/** A port of this machine on which each connection becomes a peer in the part of the server. */
export type RawListener = AsyncDisposable & {
  readonly port: number;
  /** The next connection. */
  accept(): Promise<RawPeer>;
};

export async function listenRaw(options: RawPeerOptions = {}): Promise<RawListener> {
  const waiting: RawPeer[] = [];
  const takers: ((peer: RawPeer) => void)[] = [];
  const all = new Set<RawPeer>();
  const server = createServer({ noDelay: true }, (socket) => {
    const peer = new RawPeer(socket, options, false);
    all.add(peer);
    const taker = takers.shift();
    if (taker === undefined) waiting.push(peer);
    else taker(peer);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    accept: () =>
      new Promise((resolve) => {
        const peer = waiting.shift();
        if (peer === undefined) takers.push(resolve);
        else resolve(peer);
      }),
    async [Symbol.asyncDispose]() {
      for (const peer of all) peer.end();
      server.close();
    },
  };
}
