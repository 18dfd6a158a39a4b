/** The most events and bytes that one source (Kafka: one partition) may be ahead of its oldest unsettled event. */
export const windowLimits = { events: 10_000, bytes: 64 * 1024 * 1024 } as const;

/** An event's place in its source's window. */
export type Place = {
  readonly window: Window;
  readonly bytes: number;
  readonly label: string | undefined;
  readonly since: number;
  settled: boolean;
};

/** The events of one source from its oldest unsettled one on, in the order of the source. */
export class Window {
  #places: Place[] = [];
  #head = 0;
  #bytes = 0;
  #waiting: (() => void)[] = [];

  /** Takes a place at the end, which {@link leave} frees. */
  enter(bytes: number, label: string | undefined): Place {
    const place: Place = { window: this, bytes, label, since: Date.now(), settled: false };
    this.#places.push(place);
    this.#bytes += bytes;
    return place;
  }

  leave(place: Place): void {
    place.settled = true;
    this.#bytes -= place.bytes;
    this.#advance();
  }

  get full(): boolean {
    return (
      this.#places.length - this.#head >= windowLimits.events || this.#bytes >= windowLimits.bytes
    );
  }

  /** The oldest unsettled event, which holds the source once the window is full. */
  get oldest(): { label: string; since: Date } | undefined {
    const place = this.#places[this.#head];
    return place && { label: place.label ?? "an event without id", since: new Date(place.since) };
  }

  /** Resolves once there is room. */
  async room(): Promise<void> {
    while (this.full) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #advance(): void {
    while (this.#places[this.#head]?.settled) this.#head++;
    if (this.#head > 1024 && this.#head * 2 > this.#places.length) {
      this.#places.splice(0, this.#head);
      this.#head = 0;
    }
    if (this.#waiting.length === 0 || this.full) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}
