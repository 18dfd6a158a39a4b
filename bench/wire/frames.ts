const prefixBytes = 5;

/** Cuts gRPC's messages out of the chunks of a stream. */
export class FrameSplitter {
  #rest: Buffer | undefined;

  /** Calls `message` for each that is complete, with the bytes it lies in and its bounds there. */
  push(chunk: Buffer, message: (bytes: Buffer, start: number, end: number) => void): void {
    const bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (bytes.length - at >= prefixBytes) {
      const start = at + prefixBytes;
      const end = start + bytes.readUInt32BE(at + 1);
      if (end > bytes.length) break;
      if (bytes[at] !== 0) throw new Error("a compressed message came, though none was asked for");
      message(bytes, start, end);
      at = end;
    }
    this.#rest = at === bytes.length ? undefined : bytes.subarray(at);
  }
}
