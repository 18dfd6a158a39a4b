/** So many are remembered; those that are deleted are forgotten at once. */
const most = 10_000;

/**
 * Messages of a queue that were handled, and whose deletion is not confirmed. The reader of the next connection deletes
 * them when they come again.
 */
export class HandledMessages {
  readonly #ids = new Set<string>();

  /** Those of a queue. */
  static of(identity: string): HandledMessages {
    const known = byIdentity.get(identity) ?? new HandledMessages();
    byIdentity.set(identity, known);
    return known;
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  add(id: string): void {
    this.#ids.add(id);
    const [oldest = ""] = this.#ids;
    if (this.#ids.size > most) this.#ids.delete(oldest);
  }

  delete(id: string): void {
    this.#ids.delete(id);
  }
}

const byIdentity = new Map<string, HandledMessages>();
