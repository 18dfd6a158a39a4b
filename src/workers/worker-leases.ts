import { clock, type Timer } from "../clock.ts";
import type { LeasedOwnership } from "../fleet/replica-fleet.ts";
import { BindingError } from "../errors.ts";
import { LeaseCell } from "./lease-cell.ts";
import type { ToldLease } from "./remote-fleet.ts";
import { toSharedTime } from "./shared-time.ts";

/** A lease that a worker has asked for. */
type Asked = {
  readonly component: string;
  readonly ownership: LeasedOwnership;
  readonly end: () => void;
};

/**
 * What a worker had is kept for its replacement for so long, in milliseconds, so that the leases of the process do not go
 * to another replica and back.
 */
const keptFor = 10_000;

/** The leases of the process, as its workers ask for them. */
export class WorkerLeases {
  readonly #own: (component: string, movable: boolean) => LeasedOwnership;
  readonly #asked = new Map<number, Map<number, Asked>>();
  readonly #kept = new Set<{ readonly timer: Timer; readonly release: () => Promise<unknown> }>();

  constructor(own: (component: string, movable: boolean) => LeasedOwnership) {
    this.#own = own;
  }

  own(
    worker: number,
    id: number,
    component: string,
    memory: SharedArrayBuffer,
    movable: boolean,
    tell: (lease: ToldLease) => void,
  ): void {
    const ownership = this.#own(component, movable);
    const cell = new LeaseCell(memory);
    const write = (): void => cell.write(ownership.term, ownership.now());
    const changed = (): void => {
      write();
      const { reads, reason, since, epoch, remaining } = ownership;
      const endsAt = toSharedTime(clock.elapsed() + remaining);
      tell({ reads, reason, since, epoch, endsAt });
    };
    const ends = [ownership.onChange(changed), ownership.onRenewal(write)];
    const of = this.#asked.get(worker) ?? new Map<number, Asked>();
    this.#asked.set(worker, of);
    of.set(id, {
      ...{ component, ownership },
      end() {
        for (const end of ends) end();
        cell.write(undefined, 0);
      },
    });
    changed();
  }

  /** Throws where a worker writes by a lease that the process has not, or has anew: what it wrote was sent before. */
  check(worker: number, component: string, epoch: number): void {
    const all = [...(this.#asked.get(worker)?.values() ?? [])];
    if (all.some((one) => one.component === component && one.ownership.epoch === epoch)) return;
    throw new BindingError(
      "aborted",
      `fenced: this process has another lease of ${component} by now, or none; nothing was written`,
    );
  }

  readingEnded(worker: number, id: number): void {
    this.#asked.get(worker)?.get(id)?.ownership.readingEnded?.();
  }

  async release(worker: number, id: number): Promise<void> {
    const asked = this.#asked.get(worker)?.get(id);
    this.#asked.get(worker)?.delete(id);
    asked?.end();
    await asked?.ownership.release();
  }

  /** The worker has ended, with all that it read. */
  ended(worker: number): void {
    const asked = [...(this.#asked.get(worker)?.values() ?? [])];
    this.#asked.delete(worker);
    for (const { end } of asked) end();
    const release = (): Promise<unknown> =>
      Promise.all(asked.map(({ ownership }) => ownership.release()));
    const kept = {
      release,
      timer: clock.setTimeout(() => {
        this.#kept.delete(kept);
        void release();
      }, keptFor),
    };
    this.#kept.add(kept);
  }

  /** Gives up what is kept for workers that do not come any more. */
  async close(): Promise<void> {
    const kept = [...this.#kept];
    this.#kept.clear();
    for (const { timer } of kept) clock.clearTimeout(timer);
    await Promise.all(kept.map(({ release }) => release()));
  }
}
