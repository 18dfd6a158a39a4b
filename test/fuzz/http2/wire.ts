import type { Duplex } from "node:stream";
import { HpackDecoder } from "../../../src/http2/hpack-decoder.ts";
import { http2Frame, takeFrames } from "../../grpc/http2-frame.ts";

/** How long Node may be silent, in milliseconds: it is so where it awaits bytes that it should have refused. */
export const nodesPatience = 5_000;

/** The other end of a connection under test: writes what it is given, and keeps what comes back, by streams. */
export class Wire {
  readonly socket: Duplex;
  /** Of each stream what was sent for it: "headers 200", "data 5", "end", "reset 1". */
  readonly told: Map<number, string[]> = new Map();
  /** The code of the last GOAWAY. */
  goaway: number | undefined;
  isEnded = false;
  /** It neither answered nor ended in time. */
  isSilent = false;
  readonly #decoder = new HpackDecoder({ maxTableSize: 4096, maxListSize: 1_000_000 });
  #read: Buffer = Buffer.alloc(0);
  #block: Buffer[] = [];
  /** Whether the header block that is read ends its stream. */
  #isLast = false;
  #pings = 0;
  #isAnswered = true;
  #wake: () => void = () => undefined;
  readonly #patience: number | undefined;

  /**
   * `greets`: what comes first is the preface of a client. `patience`: how many milliseconds it may be silent; without
   * limit if there is none.
   */
  constructor(socket: Duplex, greets: boolean, patience?: number) {
    this.socket = socket;
    this.#patience = patience;
    let toSkip = greets ? 24 : 0;
    socket.on("data", (chunk: Buffer) => {
      const skipped = Math.min(toSkip, chunk.length);
      toSkip -= skipped;
      this.#take(chunk.subarray(skipped));
    });
    const end = (): void => {
      this.isEnded = true;
      this.#wake();
    };
    socket.on("end", end);
    socket.on("close", end);
    socket.on("error", end);
  }

  /** Writes packets and a PING, and resolves once it was answered, the connection has ended, or it is silent. */
  async send(packets: readonly Buffer[]): Promise<void> {
    const ping = Buffer.alloc(8, "<sent>");
    ping.writeUInt16BE(++this.#pings, 6);
    this.#isAnswered = false;
    const all = [...packets, http2Frame({ type: 6, stream: 0 }, ping)];
    for (const packet of all) {
      if (this.isEnded) return;
      this.socket.write(packet);
    }
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (this.isEnded || this.#isAnswered) return resolve();
      if (this.#patience === undefined) return;
      timer = setTimeout(() => {
        this.isSilent = true;
        resolve();
      }, this.#patience);
    });
    clearTimeout(timer);
  }

  #take(chunk: Buffer): void {
    const bytes = Buffer.concat([this.#read, chunk]);
    this.#read = takeFrames(bytes, ({ type, flags, stream, payload }) =>
      this.#frame(type, flags, stream, payload),
    );
  }

  #frame(type: number, flags: number, stream: number, payload: Buffer): void {
    if (type === 0) {
      if (payload.length > 0) this.#tell(stream, `data ${payload.length}`);
      if ((flags & 1) !== 0) this.#tell(stream, "end");
    } else if (type === 1 || type === 9) {
      this.#block.push(payload);
      if (type === 1) this.#isLast = (flags & 1) !== 0;
      if ((flags & 4) === 0) return;
      const block = Buffer.concat(this.#block.splice(0));
      const { record } = this.#decoder.decode(block, 0, block.length);
      this.#tell(stream, `headers ${String(record[":status"] ?? "")}`);
      if (this.#isLast) this.#tell(stream, "end");
    } else if (type === 3) this.#tell(stream, `reset ${payload.readUInt32BE()}`);
    else if (type === 6 && flags === 1 && payload.readUInt16BE(6) === this.#pings) {
      if (payload.toString("latin1", 0, 6) !== "<sent>") return;
      this.#isAnswered = true;
      this.#wake();
    } else if (type === 7) {
      this.goaway = payload.readUInt32BE(4);
      if (this.goaway === 0) return;
      // Node does not always close the socket then.
      this.isEnded = true;
      this.#wake();
    }
  }

  #tell(stream: number, what: string): void {
    const told = this.told.get(stream) ?? [];
    told.push(what);
    this.told.set(stream, told);
  }
}
