import { Slots } from "../slots.ts";

/** Counts the calls that are on their way to each origin; beyond the limit, calls wait in the order they came. */
export class ConnectionSlots {
  readonly #limit: number;
  /** Only those with calls. */
  readonly #origins = new Map<string, Slots>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Takes a slot if one is free. */
  tryTake(origin: string): boolean {
    return this.#slotsOf(origin).tryTake();
  }

  /** Takes a slot as soon as one is free. Rejects with the signal's reason, and leaves the queue, when it is aborted. */
  take(origin: string, signal: AbortSignal): Promise<void> {
    const slots = this.#slotsOf(origin);
    return slots.tryTake() ? Promise.resolve() : slots.take(signal);
  }

  /** Gives a slot back, or on to the call that waits longest. */
  release(origin: string): void {
    const slots = this.#origins.get(origin);
    slots?.release();
    if (slots?.isIdle) this.#origins.delete(origin);
  }

  #slotsOf(origin: string): Slots {
    let slots = this.#origins.get(origin);
    if (slots === undefined) this.#origins.set(origin, (slots = new Slots(this.#limit)));
    return slots;
  }
}
