/** Starts and cancels consumers of the queue on one channel. */
export type Subscriptions = {
  /** A consumer that the server gives at most this many unacknowledged messages. Resolves to its tag. */
  add(prefetch: number): Promise<string>;
  cancel(tag: string): Promise<void>;
};

type Subscription = { readonly tag: string; readonly prefetch: number };

const narrowAfter = 10_000;

/**
 * How many messages the server may have handed out. A consumer's prefetch count is fixed when it
 * starts (the count of a whole channel, which could be changed, is refused by quorum queues and is
 * going away), so the window grows by a further consumer, each time at least doubling, and shrinks
 * when the last one has not been needed for a while.
 */
export class PrefetchWindow {
  readonly #subscriptions: Subscriptions;
  readonly #ceiling: number;
  readonly #failed: (reason: unknown) => void;
  readonly #narrowAfter: number;
  readonly #active: Subscription[] = [];
  #wanted = 0;
  #adjusting: Promise<void> = Promise.resolve();
  #idle: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(
    subscriptions: Subscriptions,
    ceiling: number,
    failed: (reason: unknown) => void,
    narrowAfterMs: number = narrowAfter,
  ) {
    this.#subscriptions = subscriptions;
    this.#ceiling = ceiling;
    this.#failed = failed;
    this.#narrowAfter = narrowAfterMs;
  }

  /** The sum of what the consumers may hold. */
  get size(): number {
    return this.#active.reduce((sum, { prefetch }) => sum + prefetch, 0);
  }

  /** Starts the first consumer. */
  async open(events: number): Promise<void> {
    this.#wanted = this.#bounded(events);
    await this.#add(this.#wanted);
  }

  /** Asks for room for this many. */
  resize(events: number): void {
    if (this.#stopped) return;
    this.#wanted = this.#bounded(events);
    if (this.#wanted > this.size) {
      clearTimeout(this.#idle);
      this.#idle = undefined;
      this.#enqueue(() => this.#widen());
    } else if (this.#spare !== undefined && this.#idle === undefined) {
      this.#idle = setTimeout(() => {
        this.#idle = undefined;
        this.#enqueue(() => this.#narrow());
      }, this.#narrowAfter).unref();
    }
  }

  /** Cancels all consumers; resolves when the server sends nothing more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#idle);
    await this.#adjusting;
    await Promise.all(this.#active.splice(0).map(({ tag }) => this.#subscriptions.cancel(tag)));
  }

  /** The last consumer, where the others alone give all the room that is wanted. */
  get #spare(): Subscription | undefined {
    const last = this.#active.length > 1 ? this.#active.at(-1) : undefined;
    return last !== undefined && this.size - last.prefetch >= this.#wanted ? last : undefined;
  }

  #bounded(events: number): number {
    return Math.max(1, Math.min(this.#ceiling, Math.floor(events)));
  }

  #enqueue(adjust: () => Promise<void>): void {
    this.#adjusting = this.#adjusting
      .then(async () => {
        if (!this.#stopped) await adjust();
      })
      .catch(this.#failed);
  }

  async #widen(): Promise<void> {
    const { size } = this;
    if (this.#wanted > size)
      await this.#add(Math.min(this.#ceiling - size, Math.max(size, this.#wanted - size)));
  }

  async #narrow(): Promise<void> {
    for (let spare = this.#spare; spare !== undefined; spare = this.#spare) {
      this.#active.pop();
      await this.#subscriptions.cancel(spare.tag);
    }
  }

  async #add(prefetch: number): Promise<void> {
    this.#active.push({ tag: await this.#subscriptions.add(prefetch), prefetch });
  }
}
