/** The most events and bytes that one source (Kafka: one partition) may be ahead of its oldest unsettled event. */
export const windowLimits = { events: 10_000, bytes: 64 * 1024 * 1024 } as const;

/** What a window knows of an event in it. */
export type Place = {
  readonly bytes: number;
  readonly label: string | undefined;
  /** When it came, in milliseconds since 1970. */
  readonly since: number;
  settled: boolean;
};

/** The events of one source from its oldest unsettled one on, in the order of the source. */
export class Window {
  #places: Place[] = [];
  #head = 0;
  #bytes = 0;
  #waiting: (() => void)[] = [];

  /** Takes an event in at the end, which {@link leave} takes out. */
  enter(place: Place): void {
    this.#places.push(place);
    this.#bytes += place.bytes;
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
