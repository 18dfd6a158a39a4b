/**
 * Messages of one queue that were handled, and of which it is not known whether the server has heard so. It outlives the
 * connection: one that comes again is settled again and does not go to the app. Only what is unconfirmed is remembered,
 * since a queue may be set back on purpose, and a sender may send a message once more.
 */
export class HandledMessages {
  readonly #ids = new Set<string>();
  readonly #most: number;

  private constructor(most: number) {
    this.#most = most;
  }

  /** Those of a queue, in this process. `most`: so many are remembered; those that are confirmed are forgotten at once. */
  static of(identity: string, most = 10_000): HandledMessages {
    const known = byIdentity.get(identity) ?? new HandledMessages(most);
    byIdentity.set(identity, known);
    return known;
  }

  get isEmpty(): boolean {
    return this.#ids.size === 0;
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  add(id: string): void {
    this.#ids.add(id);
    if (this.#ids.size <= this.#most) return;
    const [oldest = ""] = this.#ids;
    this.#ids.delete(oldest);
  }

  /** It is confirmed. Whether it was remembered. */
  delete(id: string): boolean {
    return this.#ids.delete(id);
  }
}

const byIdentity = new Map<string, HandledMessages>();
