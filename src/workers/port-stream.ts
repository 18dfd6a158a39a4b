import { Duplex } from "node:stream";
import type { MessagePort } from "node:worker_threads";

/** Bytes that the other side has not read, before writing waits. */
const mostUnread = 512 * 1024;

/** Bytes, the end of them, or how many of the other side's were read. */
type PortMessage = Uint8Array | null | number;

/** A stream of bytes between two threads, as a socket is between two processes. */
export class PortStream extends Duplex {
  readonly #port: MessagePort;
  /** Written and not read by the other side. */
  #unread = 0;
  #go: (() => void) | undefined;
  #arrived: Uint8Array[] = [];
  #isWanted = false;

  constructor(port: MessagePort) {
    super({ allowHalfOpen: false });
    this.#port = port;
    port.on("message", (message: PortMessage) => this.#receive(message));
    port.once("close", () => this.destroy());
  }

  override _write(chunk: Buffer, _: string, done: () => void): void {
    const bytes = new Uint8Array(chunk);
    this.#unread += bytes.length;
    this.#port.postMessage(bytes, [bytes.buffer]);
    if (this.#unread < mostUnread) done();
    else this.#go = done;
  }

  override _writev(
    chunks: readonly { readonly chunk: Buffer }[],
    done: (error?: Error | null) => void,
  ): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), "", done);
  }

  override _read(): void {
    this.#isWanted = true;
    while (this.#isWanted) {
      const bytes = this.#arrived.shift();
      if (bytes === undefined) return;
      this.#hand(bytes);
    }
  }

  override _final(done: () => void): void {
    this.#port.postMessage(null);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#port.close();
    const go = this.#go;
    this.#go = undefined;
    go?.();
    done(error);
  }

  ref(): void {
    this.#port.ref();
  }

  unref(): void {
    this.#port.unref();
  }

  #receive(message: PortMessage): void {
    if (message === null) this.push(null);
    else if (typeof message === "number") this.#read(message);
    else if (this.#isWanted) this.#hand(message);
    else this.#arrived.push(message);
  }

  #read(bytes: number): void {
    this.#unread -= bytes;
    if (this.#unread >= mostUnread) return;
    const go = this.#go;
    this.#go = undefined;
    go?.();
  }

  #hand(bytes: Uint8Array): void {
    const { buffer, byteOffset, length } = bytes;
    this.#port.postMessage(length);
    this.#isWanted = this.push(Buffer.from(buffer, byteOffset, length));
  }
}
