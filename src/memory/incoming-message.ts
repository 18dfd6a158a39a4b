import type { MemoryShare, Reservation } from "./budget.ts";

/**
 * The message that is coming in on a connection: its bytes count as they come. One that alone is more than the
 * component may hold can never be taken; any other is, since to cut the connection would only have it come again.
 */
export class IncomingMessage {
  readonly #limit: number;
  readonly #reservation: Reservation;

  constructor(memory: MemoryShare) {
    this.#limit = memory.limit;
    this.#reservation = memory.open();
  }

  /** Now so many bytes of a message that is not whole are held. A text: why the connection cannot go on. */
  holds(bytes: number): string | undefined {
    this.#reservation.add(bytes - this.#reservation.bytes);
    return this.announced(bytes);
  }

  /** A message of so many bytes is to come, of which none counts yet. A text: why the connection cannot go on. */
  announced(bytes: number): string | undefined {
    return bytes > this.#limit
      ? `it sent a message of more than ${this.#limit} bytes, half of the memory budget (--memory-budget)`
      : undefined;
  }

  /** The connection is gone. */
  release(): void {
    this.#reservation.release();
  }
}
