import type { Fleet, Ownership } from "../../src/runtime/ownership.ts";

/** Who owns what, as the test says. */
export class FakeFleet implements Fleet {
  readonly replica = "here";
  singleton = false;
  held = false;
  reads = false;
  remaining = 0;
  reason = "replica there reads it since 2026-11-26T12:00:00.000Z";
  readonly asked: string[] = [];
  readonly released: string[] = [];
  /** How often a reader has said that it has ended. */
  readingsEnded = 0;
  readonly #listeners = new Set<() => void>();

  /** As of now this replica reads. */
  give(): void {
    this.held = this.reads = true;
    this.#tell();
  }

  /** It may settle still what is under way. */
  end(remaining: number): void {
    this.reads = false;
    this.remaining = remaining;
    this.#tell();
  }

  /** The lease is over, of which nobody was told: the process was stopped meanwhile. */
  runOut(): void {
    this.held = this.reads = false;
  }

  take(): void {
    this.runOut();
    this.#tell();
  }

  own(component: string): Ownership {
    this.asked.push(component);
    // oxlint-disable-next-line typescript/no-this-alias -- getters of another object ask it
    const fleet = this;
    return {
      get held() {
        return fleet.held;
      },
      get reads() {
        return fleet.reads;
      },
      get reason() {
        return fleet.reason;
      },
      get remaining() {
        return fleet.remaining;
      },
      since: Date.parse("2026-11-26T12:00:00Z"),
      get epoch() {
        return fleet.held ? 7 : undefined;
      },
      now: () => Date.now(),
      onChange: (run) => {
        fleet.#listeners.add(run);
        return () => void fleet.#listeners.delete(run);
      },
      readingEnded: () => {
        fleet.readingsEnded++;
      },
      release: async () => {
        fleet.released.push(component);
      },
    };
  }

  owners() {
    return [];
  }

  #tell(): void {
    for (const run of this.#listeners) run();
  }
}
