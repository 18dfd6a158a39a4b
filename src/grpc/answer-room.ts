/** What is taken of an answer of a server. */
export type AnswerLimits = {
  /** The largest answer, in bytes. */
  readonly maxBytes: number;
  /** Bytes around it that do not count. Default 0. */
  readonly framing?: number;
  /** What sets the largest, for the text of a refusal: a flag or a field. */
  readonly setting?: string | undefined;
  /** What answers are gathered in. Absent: each is bounded, and not all of them together. */
  readonly memory?: AnswerMemory | undefined;
};

/** Opens a part of the memory for one answer. */
export type AnswerMemory = {
  open(): {
    /** Counts so many bytes more, if there is room for them. */
    reserve(bytes: number): boolean;
    release(): void;
  };
};

/** Why an answer that is not too large is not taken. */
export const noRoomForAnswer = "the memory budget has no room for the answer (--memory-budget)";

/** Why an answer that is too large is not taken. */
export function tooLarge({ maxBytes, setting }: AnswerLimits): string {
  return `the answer is larger than ${maxBytes} bytes${setting === undefined ? "" : ` (${setting})`}`;
}

/** The room of one answer while its parts are gathered. */
export class AnswerRoom {
  readonly #limits: AnswerLimits;
  #size = 0;
  #reservation: ReturnType<AnswerMemory["open"]> | undefined;

  constructor(limits: AnswerLimits) {
    this.#limits = limits;
  }

  /** Bytes taken. */
  get size(): number {
    return this.#size;
  }

  /** Counts a part of the answer. A text: why there is no room for it; the answer must not be gathered further. */
  take(bytes: number): string | undefined {
    const { maxBytes, framing = 0, memory } = this.#limits;
    if (this.#size + bytes > maxBytes + framing) return tooLarge(this.#limits);
    if (memory !== undefined) {
      this.#reservation ??= memory.open();
      if (!this.#reservation.reserve(bytes)) return noRoomForAnswer;
    }
    this.#size += bytes;
    return undefined;
  }

  /** The answer is handed over, or given up. */
  release(): void {
    this.#reservation?.release();
  }
}
