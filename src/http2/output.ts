import { Socket } from "node:net";
import type { Duplex } from "node:stream";

/** What is shorter is copied beside its frame's header; a longer one is a part of its own of the same write. */
const copiedUpTo = 8 * 1024;
const bufferBytes = 64 * 1024;
/** Buffers that nobody uses are kept for the next who writes: 2 MiB. */
const mostSpare = 32;
const spare: Buffer[] = [];

/** Something whose {@link flush} is due at the end of this turn. */
type Flushed = { flush(): void };
let due: Flushed[] = [];

function flushAll(): void {
  const batch = due;
  due = [];
  for (const one of batch) one.flush();
}

/** Has `flush` called once all that is ready by now has run: what is written in one turn leaves in one write. */
export function flushLater(one: Flushed): void {
  if (due.push(one) === 1) process.nextTick(flushAll);
}

/** The bytes that leave by a socket, gathered and written at once. */
export class Output {
  /** Where {@link reserve} has made room, from {@link at} on. */
  buffer: Buffer = noBytes;
  /** The next byte to be written in {@link buffer}; whoever writes moves it on. */
  at = 0;
  readonly #socket: Duplex;
  readonly #onWritten: () => void;
  /** A socket of the system has copied what it has taken; another stream may keep the very bytes. */
  readonly #isReusable: boolean;
  #from = 0;
  #parts: Uint8Array[] = [];
  #partBytes = 0;
  #full: Buffer[] = [];
  #writes = 0;

  /** `onWritten` is called after the socket has taken something. */
  constructor(socket: Duplex, onWritten: () => void) {
    this.#socket = socket;
    this.#onWritten = onWritten;
    this.#isReusable = socket instanceof Socket;
  }

  /** Bytes that the socket has not taken, those not flushed yet included. */
  get unsent(): number {
    return this.#partBytes + this.at - this.#from + this.#socket.writableLength;
  }

  /** Makes room for so many bytes in one piece. */
  reserve(bytes: number): void {
    if (this.at + bytes <= this.buffer.length) return;
    this.#seal();
    if (this.buffer.length > 0) this.#full.push(this.buffer);
    this.buffer =
      bytes > bufferBytes
        ? Buffer.allocUnsafeSlow(bytes)
        : (spare.pop() ?? Buffer.allocUnsafeSlow(bufferBytes));
    this.at = this.#from = 0;
  }

  /** Adds bytes, which must not change any more where they are many. */
  add(bytes: Uint8Array): void {
    const { length } = bytes;
    if (length <= copiedUpTo) {
      this.reserve(length);
      this.buffer.set(bytes, this.at);
      this.at += length;
    } else {
      this.#seal();
      this.#parts.push(bytes);
      this.#partBytes += length;
    }
  }

  /** Hands all to the socket. */
  flush(): void {
    this.#seal();
    const parts = this.#parts;
    if (parts.length === 0) return;
    this.#parts = [];
    this.#partBytes = 0;
    const socket = this.#socket;
    if (parts.length > 1) socket.cork();
    const last = parts.length - 1;
    for (let index = 0; index < last; index += 1) socket.write(parts[index]);
    this.#writes += 1;
    socket.write(parts[last], this.#written);
    if (parts.length > 1) socket.uncork();
    if (socket.writableLength === 0) this.#recycle();
  }

  /** Forgets what was not flushed. */
  drop(): void {
    this.#parts = [];
    this.#partBytes = 0;
    this.buffer = noBytes;
    this.at = this.#from = 0;
    this.#full = [];
  }

  readonly #written = (): void => {
    this.#writes -= 1;
    if (this.#writes === 0 && this.#socket.writableLength === 0) {
      this.#recycle();
      if (this.at === 0 && this.buffer.length > 0) this.#giveBack();
    }
    this.#onWritten();
  };

  #seal(): void {
    if (this.at === this.#from) return;
    this.#parts.push(this.buffer.subarray(this.#from, this.at));
    this.#partBytes += this.at - this.#from;
    this.#from = this.at;
  }

  /** Nothing of the buffers is on its way any more, except what is not flushed. */
  #recycle(): void {
    if (this.#parts.length > 0 || this.at !== this.#from) return;
    const isReusable = this.#isReusable;
    for (const buffer of this.#full) if (isReusable) keep(buffer);
    this.#full.length = 0;
    if (isReusable && this.buffer.length === bufferBytes) this.at = this.#from = 0;
    else {
      this.buffer = noBytes;
      this.at = this.#from = 0;
    }
  }

  #giveBack(): void {
    keep(this.buffer);
    this.buffer = noBytes;
  }
}

const noBytes = Buffer.alloc(0);

function keep(buffer: Buffer): void {
  if (buffer.length === bufferBytes && spare.length < mostSpare) spare.push(buffer);
}
