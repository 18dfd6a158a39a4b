import type { InboundEvent } from "../binding.ts";

/** Events on their way to the runtime, in the order in which they came: held until it is sure that they are ours. */
export class Arrivals {
  readonly #deliver: (events: readonly InboundEvent[]) => Promise<void>;
  /** The runtime has room again. */
  readonly #onRoom: () => void;
  readonly #held: InboundEvent[] = [];
  #batch: InboundEvent[] = [];
  #waiting = 0;

  constructor(deliver: (events: readonly InboundEvent[]) => Promise<void>, onRoom: () => void) {
    this.#deliver = deliver;
    this.#onRoom = onRoom;
  }

  /** How many are held. */
  get held(): number {
    return this.#held.length;
  }

  /** Whether the runtime has no room for more now. */
  get isWaiting(): boolean {
    return this.#waiting > 0;
  }

  add(event: InboundEvent): void {
    this.#held.push(event);
  }

  /** Holds none any more, and tells which it held. */
  forget(): readonly InboundEvent[] {
    return this.#held.splice(0);
  }

  /** Hands over all that are held. What came in one piece goes together. */
  release(): void {
    for (const event of this.#held.splice(0))
      if (this.#batch.push(event) === 1) queueMicrotask(() => this.#hand());
  }

  #hand(): void {
    const batch = this.#batch;
    this.#batch = [];
    this.#waiting++;
    void this.#deliver(batch).then(() => {
      this.#waiting--;
      this.#onRoom();
    });
  }
}
