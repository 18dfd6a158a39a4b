const usualBytes = 64 * 1024;
/** Where bytes are written before their number is known; every message starts in the same ones. */
let scratch = Buffer.allocUnsafeSlow(usualBytes);
/** A scratch buffer that one large event made longer than this is let go again. */
const longestKept = 4 * 1024 * 1024;
/** Texts up to this length are written character by character. */
const shortText = 64;
/** As many bytes as the length of a nested message may take: 268,435,455 bytes. */
const lengthBytes = 4;

/** Writes one message in protobuf's wire format: tags are numbers below 128, empty texts and zeros are left out. */
export class WireWriter {
  #at: number;

  /** Leaves so many bytes before the message to whoever {@link finish}es it. Default none. */
  constructor(before = 0) {
    this.#at = before;
  }

  number(tag: number, value: number): void {
    if (value === 0) return;
    this.#room(6);
    scratch[this.#at++] = tag;
    this.#varint(value);
  }

  text(tag: number, text: string): void {
    if (text === "") return;
    // UTF-8 takes at most three bytes for each unit of UTF-16.
    this.#room(6 + text.length * 3);
    scratch[this.#at++] = tag;
    if (text.length <= shortText && this.#ascii(text)) return;
    if (text.length < 0x80) {
      // Most take as many bytes, and then the length takes one.
      const written = scratch.write(text, this.#at + 1, "utf8");
      if (written < 0x80) {
        scratch[this.#at] = written;
        this.#at += 1 + written;
        return;
      }
    }
    this.#varint(Buffer.byteLength(text));
    this.#at += scratch.write(text, this.#at, "utf8");
  }

  bytes(tag: number, bytes: Uint8Array): void {
    this.#room(6 + bytes.length);
    scratch[this.#at++] = tag;
    this.#varint(bytes.length);
    scratch.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** Begins a nested message; returns what {@link end} is given. */
  begin(tag: number): number {
    this.#room(1 + lengthBytes);
    scratch[this.#at++] = tag;
    this.#at += lengthBytes;
    return this.#at;
  }

  /** Writes the length of a nested message in as many bytes as were left for it: leading zeros are allowed. */
  end(start: number): void {
    let length = this.#at - start;
    for (let at = start - lengthBytes; at < start - 1; at++) {
      scratch[at] = (length & 0x7f) | 0x80;
      length >>>= 7;
    }
    scratch[start - 1] = length;
  }

  /** The message, behind the bytes that were left before it. No other may be begun before. */
  finish(): Buffer {
    const message = Buffer.allocUnsafe(this.#at);
    scratch.copy(message, 0, 0, this.#at);
    if (scratch.length > longestKept) scratch = Buffer.allocUnsafeSlow(usualBytes);
    return message;
  }

  /** Writes a short text, for which a call into the engine costs more than its bytes. False: it is not ASCII. */
  #ascii(text: string): boolean {
    const { length } = text;
    const start = this.#at + 1;
    for (let index = 0; index < length; index++) {
      const unit = text.charCodeAt(index);
      if (unit > 0x7f) return false;
      scratch[start + index] = unit;
    }
    scratch[start - 1] = length;
    this.#at = start + length;
    return true;
  }

  #varint(value: number): void {
    let rest = value;
    while (rest > 0x7f) {
      scratch[this.#at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    scratch[this.#at++] = rest;
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= scratch.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(scratch.length * 2, this.#at + bytes));
    scratch.copy(larger, 0, 0, this.#at);
    scratch = larger;
  }
}
