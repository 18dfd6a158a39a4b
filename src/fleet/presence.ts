import { hostname } from "node:os";
import { clock, type Timer } from "../clock.ts";
import { messageOf } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { ReplicaComponent, ReplicaStore } from "../store/replicas.ts";
import { version } from "../version.ts";

export type PresenceOptions = {
  readonly replicas: ReplicaStore;
  readonly replica: string;
  /** What is announced of the components. */
  readonly components: () => readonly ReplicaComponent[];
  readonly logger: Logger;
};

/** How often a replica announces itself, and how long that counts, in milliseconds. */
const every = 10_000;
const lasts = 30_000;
/** Changes are gathered for so long. */
const gathering = 200;

/** Tells the other replicas of this one: that it lives, what its components do, and which it owns. */
export class Presence {
  readonly #options: PresenceOptions;
  readonly #startedAt = clock.now();
  #timer: Timer | undefined;
  #inTrouble = false;
  #closed = false;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: PresenceOptions) {
    this.#options = options;
  }

  start(): void {
    this.#announceIn(0);
  }

  /** Something that is announced has changed. */
  changed(): void {
    this.#announceIn(gathering);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clock.clearTimeout(this.#timer);
    await this.#writing;
    await this.#options.replicas.withdraw(this.#options.replica);
  }

  #announceIn(milliseconds: number): void {
    if (this.#closed) return;
    clock.clearTimeout(this.#timer);
    this.#timer = clock.setTimeout(() => {
      this.#writing = this.#announce();
    }, milliseconds);
    if ("unref" in this.#timer) this.#timer.unref();
  }

  async #announce(): Promise<void> {
    const { replicas, replica: id, components, logger } = this.#options;
    this.#announceIn(every);
    try {
      const record = { id, host: hostname(), version, startedAt: this.#startedAt };
      await replicas.announce({ ...record, components: components() }, lasts);
      this.#inTrouble = false;
    } catch (error) {
      if (!this.#inTrouble)
        logger.warn(
          { reason: messageOf(error) },
          "the other replicas cannot be told of this one; it is tried again",
        );
      this.#inTrouble = true;
    }
  }
}
