import type { AnyBinding, Logger } from "../../binding.ts";
import type { Opened } from "./opening.ts";
import type { Fleet, Ownership } from "../ownership.ts";

export type InputLeaseOptions = {
  readonly name: string;
  readonly logger: Logger;
  /** Absent: this process has the store alone, or none, and reads at once. */
  readonly fleet: Fleet | undefined;
  /** This replica reads from now on. */
  readonly gained: () => void;
  /** It reads no more; what is under way may take so many milliseconds. */
  readonly lost: (remaining: number) => void;
};

/** Why an input does not read while another replica does. */
export type Standby = { readonly reason: string; readonly since: Date };

const granted =
  "singleton: granted at once, since no other replica shares this process's store; --store nats://HOST shares one";

/** Whether the component says, or the flag for all, that one replica of the app reads. */
export function isSingleton(
  { settings, metadata }: Pick<Opened, "settings" | "metadata">,
  { guarantee, isShared }: Pick<AnyBinding, "guarantee" | "isShared">,
  fleet: Fleet | undefined,
): boolean {
  if (settings.singleton !== undefined || fleet?.singleton !== true)
    return settings.singleton === true;
  const shared = isShared?.(metadata) ?? guarantee?.shared ?? true;
  return shared === false;
}

/** Whether this replica reads a source that one replica reads. It asks from the first connection on, until its release. */
export class InputLease {
  readonly #options: InputLeaseOptions;
  #ownership: Ownership | undefined;
  #unsubscribe: (() => void) | undefined;
  #isAsked = false;
  #reads = false;

  constructor(options: InputLeaseOptions) {
    this.#options = options;
  }

  /** Nothing where the source is not one replica's alone. */
  get ownership(): Ownership | undefined {
    return this.#ownership;
  }

  get standby(): Standby | undefined {
    if (this.#ownership === undefined || this.#reads) return undefined;
    return { reason: this.#ownership.reason, since: new Date(this.#ownership.since) };
  }

  /** Asks for the source, once. `silent`: an earlier one of the component has told. False: another reads it, or nobody knows. */
  ask(silent: boolean): boolean {
    const { fleet, name, logger } = this.#options;
    if (!this.#isAsked && fleet === undefined && !silent) logger.info({}, granted);
    this.#isAsked = true;
    if (fleet === undefined) return true;
    if (this.#ownership === undefined) {
      this.#ownership = fleet.own(name);
      this.#unsubscribe = this.#ownership.onChange(() => this.#changed());
      this.#reads = this.#ownership.reads;
    }
    return this.#reads;
  }

  /** Another replica may read. Never rejects. */
  async release(): Promise<void> {
    this.#unsubscribe?.();
    await this.#ownership?.release();
  }

  #changed(): void {
    const ownership = this.#ownership;
    if (ownership === undefined || ownership.reads === this.#reads) return;
    this.#reads = ownership.reads;
    const { logger, gained, lost } = this.#options;
    if (this.#reads) {
      logger.info({ lease: `epoch ${ownership.epoch}` }, "this replica reads the component now");
      return gained();
    }
    const { remaining, reason } = ownership;
    logger.warn({ reason }, "this replica reads the component no more");
    lost(remaining);
  }
}
