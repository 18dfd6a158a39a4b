import { ConnectionError, ErrorCode } from "./error-code.ts";
import { Flag, readUint31 } from "./frame.ts";
import { headerBlockFactor, mostContinuations } from "./limits.ts";

/** A header block as it travels. */
export type EncodedBlock = {
  readonly stream: number;
  readonly isLast: boolean;
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
};

/** Puts header blocks together that come in several frames (RFC 9113, section 6.10). */
export class HeaderAssembly {
  /** The stream whose block is not whole; 0: there is none. */
  stream = 0;
  /** Counts the blocks that came in several frames. */
  serial = 0;
  readonly #largest: number;
  #isLast = false;
  #parts: Buffer[] = [];
  #bytes = 0;
  #frames = 0;

  /** `largestList`: of the header list, in bytes. */
  constructor(largestList: number) {
    this.#largest = largestList * headerBlockFactor;
  }

  /** Bytes that are held. */
  get held(): number {
    return this.#bytes;
  }

  /** A HEADERS frame. `undefined`: the block is not whole. Throws a {@link ConnectionError}. */
  begin(
    flags: number,
    stream: number,
    bytes: Buffer,
    from: number,
    to: number,
  ): EncodedBlock | undefined {
    let start = from;
    let end = to;
    if ((flags & Flag.padded) !== 0) {
      if (start >= end) throw tooShort();
      end -= bytes[start] as number;
      start += 1;
    }
    if ((flags & Flag.priority) !== 0) {
      if (to - start < 5) throw tooShort();
      if (readUint31(bytes, start) === stream)
        throw new ConnectionError(ErrorCode.protocolError, "a stream depends on itself");
      start += 5;
    }
    if (start > end)
      throw new ConnectionError(
        ErrorCode.protocolError,
        "the padding of a HEADERS frame is longer than the frame",
      );
    const isLast = (flags & Flag.endStream) !== 0;
    if ((flags & Flag.endHeaders) !== 0) return { stream, isLast, bytes, start, end };
    this.stream = stream;
    this.serial += 1;
    this.#isLast = isLast;
    this.#frames = 0;
    this.#add(bytes, start, end);
    return undefined;
  }

  /** A CONTINUATION frame of {@link stream}. */
  go(flags: number, bytes: Buffer, start: number, end: number): EncodedBlock | undefined {
    this.#frames += 1;
    if (this.#frames > mostContinuations)
      throw new ConnectionError(
        ErrorCode.enhanceYourCalm,
        "a header block has too many CONTINUATION frames",
      );
    this.#add(bytes, start, end);
    if ((flags & Flag.endHeaders) === 0) return undefined;
    const whole = Buffer.concat(this.#parts, this.#bytes);
    const { stream } = this;
    this.#parts = [];
    this.#bytes = 0;
    this.stream = 0;
    return {
      ...{ stream, isLast: this.#isLast },
      ...{ bytes: whole, start: 0, end: whole.length },
    };
  }

  #add(bytes: Buffer, start: number, end: number): void {
    this.#bytes += end - start;
    if (this.#bytes > this.#largest)
      throw new ConnectionError(
        ErrorCode.enhanceYourCalm,
        `a header block has more than ${this.#largest} bytes`,
      );
    // A copy: what was read with it must not stay.
    if (end > start) this.#parts.push(Buffer.from(bytes.subarray(start, end)));
  }
}

function tooShort(): ConnectionError {
  return new ConnectionError(
    ErrorCode.frameSizeError,
    "a HEADERS frame is shorter than its fields",
  );
}
