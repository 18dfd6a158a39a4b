import type { Fleet, Ownership } from "../../src/runtime/ownership.ts";

/** A fleet in the test: the one replica that it says owns every component. */
export class FakeFleet {
  #owner = "";
  #epoch = 0;
  readonly #listeners = new Set<() => void>();
  /** The replicas that have ended to read. */
  readonly ended: string[] = [];

  get owner(): string {
    return this.#owner;
  }

  /** From now on that replica owns everything. */
  set owner(replica: string) {
    this.#owner = replica;
    this.#epoch++;
    for (const run of this.#listeners) run();
  }

  of(replica: string): Fleet {
    return { replica, singleton: true, own: () => this.#own(replica), owners: () => [] };
  }

  #own(replica: string): Ownership {
    const isHeld = (): boolean => this.#owner === replica;
    const epochs = { last: 0 };
    const listeners = this.#listeners;
    const { ended } = this;
    const epoch = (): number | undefined => {
      if (isHeld()) epochs.last = this.#epoch;
      return isHeld() ? epochs.last : undefined;
    };
    return {
      get held() {
        return isHeld();
      },
      get reads() {
        return isHeld();
      },
      get reason() {
        return isHeld() ? "" : "another one reads";
      },
      since: 0,
      get epoch() {
        return epoch();
      },
      remaining: 10_000,
      now: () => Date.now(),
      onChange: (run) => {
        listeners.add(run);
        return () => void listeners.delete(run);
      },
      readingEnded: () => void ended.push(replica),
      release: async () => undefined,
    };
  }
}
