/** A record's place: its sequence number, and which of an aggregated record's it is. */
export type Place = { readonly sequence: string; readonly sub: number | undefined };

/** An event that was delivered, or an empty record. */
type Entry = {
  readonly id: string;
  /** Of the record that ends with it; absent: others of the same record follow. */
  readonly ends: string | undefined;
  isHandled: boolean;
};

/** Settles one event. */
export type Settle = (isHandled: boolean) => void;

/**
 * How far a shard was handled. It outlasts its reader: while this process lives and nobody else has read the shard, what was
 * handled is not handled again.
 */
export class Progress {
  /** Up to here all was handled; `undefined`: nothing was. */
  #handled: string | undefined;
  /** The checkpoint that the table has, as far as is known. */
  #stored: string | undefined;
  /** What the table was last asked to store: it may have done so though no answer came. */
  #sent: string | undefined;
  // A queue, in the order of the shard, and where the first that is not handled stands.
  #entries: Entry[] = [];
  #head = 0;
  /** Where the record begins that the first unhandled event belongs to. */
  #record = 0;
  #open = 0;
  /** Handled by an earlier reader, beyond {@link handled}, and not met yet. */
  readonly #skip = new Set<string>();

  /** `stored`: the checkpoint that the table has. */
  constructor(stored: string | undefined) {
    this.#handled = stored;
    this.#stored = stored;
  }

  get handled(): string | undefined {
    return this.#handled;
  }

  /** Events delivered and neither handled nor returned. */
  get open(): number {
    return this.#open;
  }

  /** Whether all that was delivered was handled. */
  get isWhole(): boolean {
    return this.#head === this.#entries.length;
  }

  /** What to store; `undefined`: the table has it. */
  get unstored(): string | undefined {
    return this.#handled === this.#stored ? undefined : this.#handled;
  }

  /** Whether the table has what this process told it, so that nobody has read on since. */
  continues(stored: string | undefined): boolean {
    if (stored !== this.#stored && (this.#sent === undefined || stored !== this.#sent))
      return false;
    this.#stored = stored;
    return true;
  }

  sending(checkpoint: string | undefined): void {
    if (checkpoint !== undefined) this.#sent = checkpoint;
  }

  storedAs(checkpoint: string | undefined): void {
    if (checkpoint !== undefined) this.#stored = checkpoint;
  }

  /** A new reader begins behind {@link handled}: what it need not deliver is remembered. */
  restart(): void {
    for (const { id, isHandled } of this.#entries.slice(this.#record))
      if (isHandled) this.#skip.add(id);
    this.#entries = [];
    this.#head = 0;
    this.#record = 0;
    this.#open = 0;
  }

  /** Notes that an event is delivered. `undefined`: it was handled before. `isLast`: the last one of its record. */
  deliver(place: Place, isLast: boolean): Settle | undefined {
    const id = idOf(place);
    const isHandled = this.#skip.delete(id);
    const entry: Entry = { id, ends: isLast ? place.sequence : undefined, isHandled };
    this.#entries.push(entry);
    if (isHandled) {
      this.#advance();
      return undefined;
    }
    const entries = this.#entries;
    this.#open++;
    return (isHandled) => {
      entry.isHandled = isHandled;
      if (this.#entries !== entries) {
        // Of an earlier reader: the app had it meanwhile.
        if (isHandled) this.#skip.add(id);
        return;
      }
      this.#open--;
      if (isHandled) this.#advance();
    };
  }

  /** Notes a record that has nothing in it. */
  pass(sequence: string): void {
    this.#entries.push({ id: sequence, ends: sequence, isHandled: true });
    this.#advance();
  }

  #advance(): void {
    for (let entry = this.#entries[this.#head]; entry?.isHandled;) {
      this.#head++;
      if (entry.ends !== undefined) {
        this.#handled = entry.ends;
        this.#record = this.#head;
      }
      entry = this.#entries[this.#head];
    }
    if (this.#record <= 1024 || this.#record * 2 <= this.#entries.length) return;
    // In place: who settles knows its reader by the list.
    this.#entries.splice(0, this.#record);
    this.#head -= this.#record;
    this.#record = 0;
  }
}

/** What an event is known by within its shard. */
export function idOf({ sequence, sub }: Place): string {
  return sub === undefined ? sequence : `${sequence}.${sub}`;
}
