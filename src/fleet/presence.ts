import { hostname } from "node:os";
import { clock, type Timer } from "../clock.ts";
import { BindingError, messageOf } from "../errors.ts";
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
/** How often it is looked whether a component has another state, in milliseconds. */
const looking = 1_000;

/** Tells the other replicas of this one: that it lives, what its components do, and which it owns. */
export class Presence {
  readonly #options: PresenceOptions;
  readonly #startedAt = clock.now();
  #timer: Timer | undefined;
  #looks: Timer | undefined;
  /** The states that were announced last. */
  #told = "";
  /** The last that was told; empty: there is none. */
  #trouble = "";
  #closed = false;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: PresenceOptions) {
    this.#options = options;
  }

  start(): void {
    this.#announceIn(0);
    this.#looks = clock.setInterval(() => {
      if (statesOf(this.#options.components()) !== this.#told) this.changed();
    }, looking);
    if ("unref" in this.#looks) this.#looks.unref();
  }

  /** Something that is announced has changed. */
  changed(): void {
    this.#announceIn(gathering);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clock.clearTimeout(this.#looks);
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
    const { replicas, replica: id, logger } = this.#options;
    const components = this.#options.components();
    this.#told = statesOf(components);
    this.#announceIn(every);
    try {
      const record = { id, host: hostname(), version, startedAt: this.#startedAt };
      await replicas.announce({ ...record, components }, lasts);
      this.#trouble = "";
    } catch (error) {
      const reason = messageOf(error);
      const isTwice = error instanceof BindingError && error.reason === "already_exists";
      if (isTwice && this.#trouble !== reason) logger.error({ replica: id }, reason);
      else if (!isTwice && this.#trouble === "") logger.warn({ reason }, unannounced);
      this.#trouble = reason;
    }
  }
}

const unannounced = "the other replicas cannot be told of this one; it is tried again";

/** What others are told of at once, and not only with the next announcement. */
function statesOf(components: readonly ReplicaComponent[]): string {
  return JSON.stringify(
    components.map(({ name, state, reason, owns }) => [name, state, reason, owns]),
  );
}
