/** How many bytes of others' data a process holds at most, unless it is told otherwise. */
export const defaultMemoryBudget = 256 * 1024 * 1024;

/**
 * So much of each answer of another system is counted and never refused: ordinary traffic goes on while others fill the
 * budget. How many answers there are at one time is bounded by what asks for them.
 */
export const assuredBytes = 64 * 1024;

/** What a caller is told that is refused. */
export const noRoom = "the server holds too many bytes of unfinished calls; try again";

/** Further refusals of a share are told as a count, at most this often, in milliseconds. */
const tellAgainAfter = 60_000;

export type MemoryBudgetOptions = {
  /** Told the first refusal of a share at once, and further ones once a minute with how many there were since. */
  readonly onRefused?: (share: MemoryShare, refusals: number) => void;
};

/**
 * The memory for data that others made this process hold: request bodies that wait for their rest, calls that
 * run, answers that nobody has read. Whoever gathers such data has a share, and asks it before it keeps a byte.
 */
export class MemoryBudget {
  /** In bytes, for all shares together. */
  readonly limit: number;
  readonly #options: MemoryBudgetOptions;
  readonly #shares = new Map<string, MemoryShare>();
  #used = 0;
  #reserved = 0;

  constructor(limit: number = defaultMemoryBudget, options: MemoryBudgetOptions = {}) {
    this.limit = limit;
    this.#options = options;
  }

  /** Bytes that all shares hold together. */
  get used(): number {
    return this.#used;
  }

  /** Bytes that were ever held, since the start. */
  get reserved(): number {
    return this.#reserved;
  }

  get shares(): readonly MemoryShare[] {
    return [...this.#shares.values()];
  }

  /**
   * The share of this name, made at the first call: metrics and the log tell of it by the name. `limit`: the most
   * bytes it holds; by default half of the budget, so that no share alone can use it up.
   */
  share(name: string, limit: number = Math.floor(this.limit / 2)): MemoryShare {
    let share = this.#shares.get(name);
    if (share === undefined) {
      share = new MemoryShare(name, Math.min(limit, this.limit), {
        hasRoom: (bytes) => this.#used + bytes <= this.limit,
        isOverdrawn: () => this.#used >= this.limit + this.limit / 8,
        count: (bytes) => {
          this.#used += bytes;
          if (bytes > 0) this.#reserved += bytes;
        },
        refused: this.#options.onRefused,
      });
      this.#shares.set(name, share);
    }
    return share;
  }
}

type Whole = {
  hasRoom(bytes: number): boolean;
  isOverdrawn(): boolean;
  count(bytes: number): void;
  readonly refused: MemoryBudgetOptions["onRefused"];
};

/** What one listener, or another who gathers data, may use of a {@link MemoryBudget}. */
export class MemoryShare {
  readonly name: string;
  /** In bytes. The rest of the budget may leave less. */
  readonly limit: number;
  readonly #whole: Whole;
  #used = 0;
  #refusals = 0;
  #untold = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(name: string, limit: number, whole: Whole) {
    this.name = name;
    this.limit = limit;
    this.#whole = whole;
  }

  /** Bytes that are held now. */
  get used(): number {
    return this.#used;
  }

  /** How often there was no room, since the start. */
  get refusals(): number {
    return this.#refusals;
  }

  /** Counts the bytes if there is room for all of them. False: none is counted, and they must not be kept. */
  reserve(bytes: number): boolean {
    if (this.#used + bytes > this.limit || !this.#whole.hasRoom(bytes)) {
      this.#refuse();
      return false;
    }
    this.add(bytes);
    return true;
  }

  /** Counts bytes that are there already and cannot be refused any more. While they are too many, others are. */
  add(bytes: number): void {
    this.#used += bytes;
    this.#whole.count(bytes);
  }

  /** The bytes are not held any more. */
  release(bytes: number): void {
    this.add(-bytes);
  }

  /** Whether there is room for nothing more. */
  get isFull(): boolean {
    return this.#used >= this.limit || !this.#whole.hasRoom(1);
  }

  /** Whether an eighth more is held than there is room for: what cannot be refused any more was counted all the same. */
  get isOverdrawn(): boolean {
    return this.#used >= this.limit + this.limit / 8 || this.#whole.isOverdrawn();
  }

  /** A part of the share for one call, which is released as one. Its first `assured` bytes are never refused. */
  open(assured = 0): Reservation {
    return new Reservation(this, assured);
  }

  /** The same share, for what opens parts of it without knowing what is assured: {@link assuredBytes}. */
  get forAnswers(): { open(): Reservation } {
    return { open: () => this.open(assuredBytes) };
  }

  #refuse(): void {
    this.#refusals++;
    this.#untold++;
    if (this.#timer === undefined) this.#tell();
  }

  #tell(): void {
    this.#timer = undefined;
    if (this.#untold === 0) return;
    const refusals = this.#untold;
    this.#untold = 0;
    this.#timer = setTimeout(() => this.#tell(), tellAgainAfter);
    this.#timer.unref();
    this.#whole.refused?.(this, refusals);
  }
}

/** What one call holds of a {@link MemoryShare}. */
export class Reservation {
  readonly #share: MemoryShare;
  readonly #assured: number;
  #bytes = 0;
  #isReleased = false;

  constructor(share: MemoryShare, assured: number) {
    this.#share = share;
    this.#assured = assured;
  }

  /** Bytes that are held now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** As {@link MemoryShare.reserve}. Once released there is room for nothing. */
  reserve(bytes: number): boolean {
    if (this.#isReleased) return false;
    if (this.#bytes + bytes <= this.#assured) this.#share.add(bytes);
    else if (!this.#share.reserve(bytes)) return false;
    this.#bytes += bytes;
    return true;
  }

  /** As {@link MemoryShare.add}; negative bytes are held no more. Once released nothing is counted. */
  add(bytes: number): void {
    if (this.#isReleased) return;
    this.#bytes += bytes;
    this.#share.add(bytes);
  }

  /** Gives back all that is held. Called again, nothing happens. */
  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#share.release(this.#bytes);
    this.#bytes = 0;
  }
}
