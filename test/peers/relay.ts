import { connect, createServer, type AddressInfo, type Socket } from "node:net";

/** A kind of frame, by the side that sent it. */
type Seen = { readonly type: number; readonly flags: number; readonly payload: Buffer };

const prefaceBytes = 24;
const kept = 64;

/** Types of frames (RFC 9113, 6). */
export const Frame = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7 } as const;

/** What one side has sent, less bodies. */
class Side {
  bytes = 0;
  readonly counts = new Map<number, number>();
  /** PING, GOAWAY and RST_STREAM, with the first bytes of their payloads. */
  readonly seen: Seen[] = [];

  count(type: number): number {
    return this.counts.get(type) ?? 0;
  }

  /** The last streams that GOAWAY named. */
  get goaways(): readonly number[] {
    return this.seen
      .filter(({ type }) => type === Frame.goaway)
      .map(({ payload }) => payload.readUInt32BE(0));
  }

  /** PINGs that are no answers, and answers. */
  get pings(): { readonly asked: number; readonly answered: number } {
    const all = this.seen.filter(({ type }) => type === Frame.ping);
    const answered = all.filter(({ flags }) => (flags & 1) === 1).length;
    return { asked: all.length - answered, answered };
  }
}

/** Follows the frames of one direction of one connection. */
class Frames {
  readonly #side: Side;
  #head = Buffer.alloc(0);
  #skip: number;
  #payload:
    | { readonly type: number; readonly flags: number; parts: Buffer; left: number }
    | undefined;

  constructor(side: Side, skip: number) {
    this.#side = side;
    this.#skip = skip;
  }

  push(chunk: Buffer): void {
    this.#side.bytes += chunk.length;
    let at = 0;
    while (at < chunk.length) {
      if (this.#skip > 0) {
        const part = chunk.subarray(at, at + this.#skip);
        this.#skip -= part.length;
        at += part.length;
        this.#keep(part);
        continue;
      }
      const part = chunk.subarray(at, at + 9 - this.#head.length);
      this.#head = Buffer.concat([this.#head, part]);
      at += part.length;
      if (this.#head.length === 9) this.#begin(this.#head);
    }
  }

  #begin(head: Buffer): void {
    const [type = 0, flags = 0] = head.subarray(3);
    this.#head = Buffer.alloc(0);
    this.#skip = head.readUIntBE(0, 3);
    const { counts } = this.#side;
    counts.set(type, (counts.get(type) ?? 0) + 1);
    const isKept = type === Frame.ping || type === Frame.goaway || type === Frame.reset;
    this.#payload = isKept ? { type, flags, parts: Buffer.alloc(0), left: this.#skip } : undefined;
  }

  #keep(part: Buffer): void {
    const payload = this.#payload;
    if (payload === undefined) return;
    if (payload.parts.length < kept) payload.parts = Buffer.concat([payload.parts, part]);
    payload.left -= part.length;
    if (payload.left > 0) return;
    const { type, flags, parts } = payload;
    this.#side.seen.push({ type, flags, payload: parts });
    this.#payload = undefined;
  }
}

/** Between a client and a server in cleartext: one address whose server may change, and what frames were seen. */
export class Relay implements AsyncDisposable {
  readonly client = new Side();
  readonly server = new Side();
  /** Where connections made from now on go. */
  target: number;
  readonly #sockets = new Set<Socket>();
  readonly #listener = createServer({ noDelay: true }, (socket) => this.#take(socket));

  private constructor(target: number) {
    this.target = target;
  }

  static async to(target: number): Promise<Relay> {
    const relay = new Relay(target);
    await new Promise<void>((resolve) => relay.#listener.listen(0, "127.0.0.1", resolve));
    return relay;
  }

  get port(): number {
    return (this.#listener.address() as AddressInfo).port;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  #take(socket: Socket): void {
    this.#sockets.add(socket);
    const upstream = connect({ port: this.target, host: "127.0.0.1", noDelay: true });
    const join = (from: Socket, to: Socket, frames: Frames): void => {
      from.on("data", (chunk: Buffer) => {
        frames.push(chunk);
        if (to.write(chunk)) return;
        from.pause();
        to.once("drain", () => from.resume());
      });
      from.on("end", () => to.end());
      from.on("error", () => to.destroy());
      from.on("close", () => {
        to.destroySoon();
        this.#sockets.delete(socket);
      });
    };
    join(socket, upstream, new Frames(this.client, prefaceBytes));
    join(upstream, socket, new Frames(this.server, 0));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#listener.close(() => resolve()));
  }
}
