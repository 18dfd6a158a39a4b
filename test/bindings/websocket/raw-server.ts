import { createHash } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";
import { reservePort } from "../../servers/ports.ts";
import { endAfterTest } from "../contract.ts";

type Frame = { readonly opcode: number; readonly data: Buffer };

/** A WebSocket server of bytes: what it sends may be anything. */
export class RawServer {
  /** The heads of the handshakes that came. */
  readonly heads: string[] = [];
  readonly frames: Frame[] = [];
  readonly sockets = new Set<Socket>();
  /** What a handshake is answered with, given the key. */
  answer = (key: string): string => accepted(key);
  answersPings = true;
  readonly #port: number;
  #server: Server | undefined;

  private constructor(port: number) {
    this.#port = port;
  }

  static async start(): Promise<RawServer> {
    const server = new RawServer(await reservePort());
    await server.listen();
    endAfterTest(() => server.stop());
    return server;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.#port}/feed`;
  }

  get port(): number {
    return this.#port;
  }

  /** The data of the frames with text or bytes. */
  get texts(): string[] {
    return this.frames.flatMap(({ opcode, data }) => (opcode < 3 ? [data.toString()] : []));
  }

  async listen(): Promise<void> {
    const server = createServer((socket) => this.#serve(socket));
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.#port, "127.0.0.1", resolve));
  }

  async stop(): Promise<void> {
    const server = this.#server;
    const closed = new Promise((resolve) => server?.close(resolve));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  /** Sends bytes as they are to all. */
  write(bytes: Uint8Array): void {
    for (const socket of this.sockets) socket.write(bytes);
  }

  send(data: string | Uint8Array, opcode = typeof data === "string" ? 1 : 2, isLast = true): void {
    this.write(frameOf(Buffer.from(data), opcode, isLast));
  }

  close(code: number, reason = ""): void {
    const body = Buffer.concat([Buffer.of(code >> 8, code & 255), Buffer.from(reason)]);
    this.send(body, 8);
    for (const socket of this.sockets) socket.end();
  }

  #serve(socket: Socket): void {
    let rest = Buffer.alloc(0);
    let isOpen = false;
    this.sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => this.sockets.delete(socket));
    socket.on("data", (part: Buffer) => {
      rest = Buffer.concat([rest, part]);
      if (!isOpen) {
        const end = rest.indexOf("\r\n\r\n");
        if (end < 0) return;
        const head = rest.toString("latin1", 0, end);
        this.heads.push(head);
        rest = rest.subarray(end + 4);
        isOpen = true;
        const answer = this.answer(/sec-websocket-key: (\S+)/i.exec(head)?.[1] ?? "");
        socket.write(answer);
      }
      for (let read = readFrame(rest); read !== undefined; read = readFrame(rest)) {
        rest = rest.subarray(read.length);
        this.frames.push(read.frame);
        const { opcode, data } = read.frame;
        if (opcode === 9 && this.answersPings) socket.write(frameOf(data, 10));
        if (opcode === 8) socket.end(frameOf(data, 8));
      }
    });
  }
}

/** The answer to a handshake; `more`: further header lines. */
export function accepted(key: string, more = ""): string {
  const head = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"];
  return `${head.join("\r\n")}\r\nSec-WebSocket-Accept: ${acceptOf(key)}\r\n${more}\r\n`;
}

function acceptOf(key: string): string {
  const text = `${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
  return createHash("sha1").update(text).digest("base64");
}

export function frameOf(data: Buffer, opcode: number, isLast = true): Buffer {
  const head = Buffer.alloc(data.length < 126 ? 2 : data.length < 65_536 ? 4 : 10);
  head[0] = (isLast ? 0x80 : 0) | opcode;
  if (head.length === 2) head[1] = data.length;
  else if (head.length === 4) {
    head[1] = 126;
    head.writeUInt16BE(data.length, 2);
  } else {
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(data.length), 2);
  }
  return Buffer.concat([head, data]);
}

/** The next frame of a client, which masks it. */
function readFrame(bytes: Buffer): { frame: Frame; length: number } | undefined {
  const [first, second] = bytes;
  if (first === undefined || second === undefined) return undefined;
  const short = second & 127;
  const start = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (bytes.length < start + 4) return undefined;
  const size =
    short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  const length = start + 4 + size;
  if (bytes.length < length) return undefined;
  const mask = bytes.subarray(start, start + 4);
  const data = Buffer.from(bytes.subarray(start + 4, length));
  for (let n = 0; n < size; n++) data[n] = (data[n] ?? 0) ^ (mask[n % 4] ?? 0);
  return { frame: { opcode: first & 15, data }, length };
}
