import { compareIds } from "./entries.ts";

/**
 * What this process has taken from a group and the server may not know of. It outlives the connection, so that what was
 * handled meanwhile is acknowledged on the next one, and not handled again.
 */
export class UnacknowledgedEntries {
  /** The runtime has them. */
  readonly open = new Set<string>();
  /** Handled, and not acknowledged yet, in the order in which that was. */
  readonly handled = new Set<string>();
  /** The newest that was delivered. */
  newest = "";

  /** Those of a consumer. */
  static of(identity: string): UnacknowledgedEntries {
    const known = byIdentity.get(identity) ?? new UnacknowledgedEntries();
    byIdentity.set(identity, known);
    return known;
  }

  /** False: the runtime has it, or has handled it. */
  take(id: string): boolean {
    if (this.open.has(id) || this.handled.has(id)) return false;
    this.open.add(id);
    if (this.newest === "" || compareIds(id, this.newest) > 0) this.newest = id;
    return true;
  }
}

const byIdentity = new Map<string, UnacknowledgedEntries>();
