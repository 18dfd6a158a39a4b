/** A message that the runtime has. A later delivery of it has another id for its acknowledgement. */
export type Held = { readonly id: string; ackId: string };

/** More than are out at one time. */
const mostHandled = 4_096;

/**
 * What was handled and the subscription has not confirmed yet, by the message's id. It outlives the connection: a
 * message that is delivered again meanwhile is acknowledged again, and not handled again. Those that were confirmed are
 * forgotten: a subscription may be set back on purpose.
 */
export class HandledMessages {
  readonly #ids = new Set<string>();

  /** Those of a subscription, in this process. */
  static of(identity: string): HandledMessages {
    const known = byIdentity.get(identity) ?? new HandledMessages();
    byIdentity.set(identity, known);
    return known;
  }

  add(id: string): void {
    this.#ids.add(id);
    if (this.#ids.size <= mostHandled) return;
    const [oldest = ""] = this.#ids;
    this.#ids.delete(oldest);
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  confirmed(id: string): void {
    this.#ids.delete(id);
  }
}

const byIdentity = new Map<string, HandledMessages>();
