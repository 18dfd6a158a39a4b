/** What can wait in a {@link CallQueue}. */
export class Queued {
  // Of the queue's concern alone.
  queue: CallQueue<Queued> | undefined;
  before: Queued | undefined;
  behind: Queued | undefined;
}

/** What waits, in the order of its coming. A set would leave tables behind that keep calls which are over. */
export class CallQueue<Item extends Queued> {
  #first: Item | undefined;
  #last: Item | undefined;

  get first(): Item | undefined {
    return this.#first;
  }

  /** All of them, as they are now. */
  values(): Item[] {
    const items: Item[] = [];
    for (let item = this.#first; item !== undefined; item = item.behind as Item | undefined)
      items.push(item);
    return items;
  }

  /** Adds one that does not wait. */
  add(item: Item): void {
    item.queue = this;
    item.before = this.#last;
    if (this.#last === undefined) this.#first = item;
    else this.#last.behind = item;
    this.#last = item;
  }

  /** Takes one out, where it waits here. */
  delete(item: Item): void {
    if (item.queue !== this) return;
    const before = item.before as Item | undefined;
    const behind = item.behind as Item | undefined;
    if (before === undefined) this.#first = behind;
    else before.behind = behind;
    if (behind === undefined) this.#last = before;
    else behind.before = before;
    item.queue = item.before = item.behind = undefined;
  }
}
