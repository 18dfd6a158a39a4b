const pieceBytes = 16 * 1024;

/**
 * What has come of a body that nobody reads yet. Small parts are put together: each would keep the whole chunk that it was
 * read with, and a body of single bytes would take a hundred times its size.
 */
export class HeldBody {
  /** In bytes. */
  size = 0;
  #parts: Buffer[] = [];
  #piece: Buffer | undefined;
  #used = 0;

  add(part: Buffer): void {
    this.size += part.length;
    if (part.length >= pieceBytes) {
      this.#seal();
      this.#parts.push(part);
      return;
    }
    if (this.#piece === undefined || this.#used + part.length > pieceBytes) {
      this.#seal();
      this.#piece = Buffer.allocUnsafeSlow(pieceBytes);
    }
    this.#used += part.copy(this.#piece, this.#used);
  }

  /** The next part; `undefined`: there is none. */
  take(): Buffer | undefined {
    if (this.#parts.length === 0) this.#seal();
    const part = this.#parts.shift();
    if (part !== undefined) this.size -= part.length;
    return part;
  }

  #seal(): void {
    if (this.#piece === undefined) return;
    this.#parts.push(this.#piece.subarray(0, this.#used));
    this.#piece = undefined;
    this.#used = 0;
  }
}
