/** Parts of at least so many bytes are kept as they are. */
const keptAsIs = 4 * 1024;
/** Smaller ones are copied into blocks of so many bytes. */
const blockBytes = 16 * 1024;

/**
 * Bytes that come in parts. What it takes up is what came, however small the parts are: a part of one byte costs
 * some hundred as an object of its own.
 */
export class ByteParts {
  #parts: Buffer[] = [];
  #size = 0;
  #block: Buffer | undefined;
  /** Of the block: where the last part begins, and where it ends. */
  #from = 0;
  #to = 0;

  get size(): number {
    return this.#size;
  }

  add(part: Buffer): void {
    if (part.length === 0) return;
    // Most bodies are one part.
    const isFirst = this.#size === 0;
    this.#size += part.length;
    if (isFirst || part.length >= keptAsIs) {
      this.#closePart();
      this.#parts.push(part);
      return;
    }
    if (this.#block === undefined || this.#block.length - this.#to < part.length) {
      this.#closePart();
      this.#block = Buffer.allocUnsafeSlow(blockBytes);
      this.#from = this.#to = 0;
    }
    part.copy(this.#block, this.#to);
    this.#to += part.length;
  }

  /** All of it. */
  whole(): Buffer {
    this.#closePart();
    const [first = noBytes] = this.#parts;
    return this.#parts.length < 2 ? first : Buffer.concat(this.#parts, this.#size);
  }

  clear(): void {
    this.#parts = [];
    this.#size = this.#from = this.#to = 0;
    this.#block = undefined;
  }

  #closePart(): void {
    if (this.#block === undefined || this.#to === this.#from) return;
    this.#parts.push(this.#block.subarray(this.#from, this.#to));
    this.#from = this.#to;
  }
}

const noBytes = Buffer.alloc(0);
