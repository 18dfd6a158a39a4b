import { clock, type Timer } from "../clock.ts";
import type { Fleet, Owner, Ownership } from "../runtime/ownership.ts";
import { LeaseCell } from "./lease-cell.ts";
import { fromSharedTime } from "./shared-time.ts";

/** What a worker is told of a lease after each change. */
export type ToldLease = Pick<Ownership, "reads" | "reason" | "since" | "epoch"> & {
  /** What is under way has to be over by then, in time that threads share. */
  readonly endsAt: number;
};

export type RemoteFleetOptions = Pick<Fleet, "replica" | "singleton"> & {
  /** Asks the parent for the component's lease. */
  readonly own: (
    id: number,
    component: string,
    memory: SharedArrayBuffer,
    movable: boolean,
  ) => void;
  /** Tells it that what was read is settled. */
  readonly readingEnded: (id: number) => void;
  /** Resolves once the parent has given it up, or cannot be asked. */
  readonly release: (id: number) => Promise<void>;
};

/** The fleet as a worker has it: its parent keeps the leases of the process. */
export class RemoteFleet implements Fleet {
  readonly replica: string;
  readonly singleton: boolean;
  readonly #options: RemoteFleetOptions;
  readonly #owned = new Map<number, RemoteOwnership>();
  #last = 0;

  constructor(options: RemoteFleetOptions) {
    this.#options = options;
    ({ replica: this.replica, singleton: this.singleton } = options);
  }

  own(component: string, movable = false): Ownership {
    const id = ++this.#last;
    const ownership = new RemoteOwnership(component, {
      readingEnded: () => this.#options.readingEnded(id),
      release: async () => {
        this.#owned.delete(id);
        await this.#options.release(id);
      },
    });
    this.#owned.set(id, ownership);
    this.#options.own(id, component, ownership.cell.memory, movable);
    return ownership;
  }

  /** The parent tells of the lease with this id. */
  told(id: number, lease: ToldLease): void {
    this.#owned.get(id)?.told(lease);
  }

  /** The epoch of the component's lease that this worker was last told of; `undefined`: it has none. */
  epochOf(component: string): number | undefined {
    return [...this.#owned.values()].find((one) => one.component === component)?.toldEpoch;
  }

  /** Whoever asks for the owners asks the parent. */
  owners(): readonly Owner[] {
    return [];
  }
}

/** A parent that does not answer is looked at again so often, in milliseconds. */
const lookAgain = 100;

const noWord = "the main thread of the runtime has not renewed the lease";

class RemoteOwnership implements Ownership {
  readonly component: string;
  readonly cell = new LeaseCell();
  readonly #parent: { readonly readingEnded: () => void; readonly release: () => Promise<void> };
  readonly #users = new Set<() => void>();
  #told: ToldLease;
  /** What the users know. */
  #reads = false;
  #timer: Timer | undefined;
  #released: Promise<void> | undefined;

  constructor(
    component: string,
    parent: { readonly readingEnded: () => void; readonly release: () => Promise<void> },
  ) {
    this.component = component;
    this.#parent = parent;
    this.#told = { reads: false, reason: "", since: clock.now(), epoch: undefined, endsAt: 0 };
  }

  get held(): boolean {
    if (this.#heldFor > 0) return true;
    // No timer has told so: the process was stopped, or somebody has set the clock.
    if (this.#reads) this.#look(false);
    return false;
  }

  get reads(): boolean {
    return this.#told.reads && this.#heldFor > 0 && this.cell.readsFor > 0;
  }

  get reason(): string {
    return this.#told.reads && !this.reads ? noWord : this.#told.reason;
  }

  get since(): number {
    return this.#told.since;
  }

  get epoch(): number | undefined {
    return this.#heldFor > 0 ? this.#told.epoch : undefined;
  }

  get toldEpoch(): number | undefined {
    return this.#told.epoch;
  }

  get remaining(): number {
    const { reads, endsAt } = this.#told;
    const held = this.#heldFor;
    // A lease that is handed over is renewed meanwhile.
    return reads || held === 0 ? held : Math.max(held, fromSharedTime(endsAt) - clock.elapsed());
  }

  get #heldFor(): number {
    const { epoch } = this.#told;
    return epoch === undefined ? 0 : this.cell.remaining(epoch);
  }

  now(): number {
    return this.cell.storeTime;
  }

  onChange(run: () => void): () => void {
    this.#users.add(run);
    return () => void this.#users.delete(run);
  }

  told(lease: ToldLease): void {
    const isOther = lease.reason !== this.#told.reason;
    this.#told = lease;
    this.#look(isOther);
  }

  readingEnded(): void {
    this.#parent.readingEnded();
  }

  release(): Promise<void> {
    clock.clearTimeout(this.#timer);
    this.#told = { ...this.#told, reads: false, epoch: undefined };
    return (this.#released ??= this.#parent.release());
  }

  /** The reading ends by itself where the parent is stuck and renews nothing. */
  #look(isOther: boolean): void {
    clock.clearTimeout(this.#timer);
    if (this.#released !== undefined) return;
    const { reads } = this;
    if (this.#told.reads)
      this.#timer = clock.setTimeout(
        () => this.#look(false),
        reads ? Math.ceil(this.cell.readsFor) : lookAgain,
      );
    if (reads === this.#reads && !isOther) return;
    this.#reads = reads;
    for (const run of this.#users) run();
  }
}
