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
    if (this.newest === "" || isLater(id, this.newest)) this.newest = id;
    return true;
  }
}

const byIdentity = new Map<string, UnacknowledgedEntries>();

/** Whether an id of an entry is behind another one. */
function isLater(one: string, other: string): boolean {
  const [time = "0", number = "0"] = one.split("-");
  const [otherTime = "0", otherNumber = "0"] = other.split("-");
  const difference = BigInt(time) - BigInt(otherTime);
  return difference === 0n ? BigInt(number) > BigInt(otherNumber) : difference > 0n;
}
