import type { AnyBinding, Logger } from "../../binding.ts";
import { clock, type Timer } from "../../clock.ts";
import type { App } from "../app.ts";
import type { Opened } from "./opening.ts";
import type { Fleet, Ownership } from "../ownership.ts";

export type InputLeaseOptions = {
  readonly name: string;
  readonly logger: Logger;
  /** Absent: this process has the store alone, or none, and reads at once. */
  readonly fleet: Fleet | undefined;
  /** This replica without its app does not ask. */
  readonly app: App | undefined;
  /** This replica reads from now on. */
  readonly gained: () => void;
  /** It does not read: another does, or its app is away. */
  readonly standsBy: () => void;
  /** It reads no more; what is under way may take so many milliseconds. Resolves once that has ended. */
  readonly lost: (remaining: number) => Promise<unknown>;
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

/** An app that is away for so long will not be back at once: another replica's may read. Milliseconds. */
const awayFor = 10_000;

/**
 * Whether this replica reads a source that one replica reads. It asks from the first connection on, until its release, while its
 * app is there: one without its app has nobody to read for.
 */
export class InputLease {
  readonly #options: InputLeaseOptions;
  #ownership: Ownership | undefined;
  #unsubscribe: (() => void)[] = [];
  #isAsked = false;
  #isReleased = false;
  #reads = false;
  #away: Timer | undefined;

  constructor(options: InputLeaseOptions) {
    this.#options = options;
  }

  /** Nothing where the source is not one replica's alone, or this one does not ask for it. */
  get ownership(): Ownership | undefined {
    return this.#ownership;
  }

  get standby(): Standby | undefined {
    if (this.#ownership === undefined || this.#reads) return undefined;
    return { reason: this.#ownership.reason, since: new Date(this.#ownership.since) };
  }

  /** Asks for the source, once. `silent`: an earlier one of the component has told. False: another reads it, or nobody knows. */
  ask(silent: boolean): boolean {
    const { fleet, app, name, logger } = this.#options;
    if (this.#isAsked) return fleet === undefined || this.#reads;
    this.#isAsked = true;
    if (fleet === undefined) {
      if (!silent) logger.info({}, granted);
      return true;
    }
    if (app !== undefined)
      this.#unsubscribe.push(app.onAvailability(() => this.#appChanged(fleet, app)));
    if (app?.available !== false) this.#own(fleet, name);
    return this.#reads;
  }

  /** Gives the source up once the reading has ended, so that all that can be settled is. */
  after<Result>(ending: Promise<Result>): Promise<Result> {
    this.#isReleased = true;
    clock.clearTimeout(this.#away);
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
    return this.#ownership === undefined ? ending : this.#releaseAfter(ending, this.#ownership);
  }

  async #releaseAfter<Result>(ending: Promise<Result>, ownership: Ownership): Promise<Result> {
    const result = await ending;
    await ownership.release();
    return result;
  }

  #own(fleet: Fleet, name: string): void {
    const ownership = fleet.own(name);
    this.#ownership = ownership;
    this.#unsubscribe.push(ownership.onChange(() => this.#changed(ownership)));
    this.#reads = ownership.reads;
  }

  #appChanged(fleet: Fleet, app: App): void {
    clock.clearTimeout(this.#away);
    if (this.#isReleased) return;
    const { name, logger, standsBy, gained, lost } = this.#options;
    if (app.available) {
      if (this.#ownership !== undefined) return;
      this.#own(fleet, name);
      return this.#reads ? gained() : standsBy();
    }
    this.#away = clock.setTimeout(() => {
      const ownership = this.#ownership;
      if (ownership === undefined) return;
      if (this.#reads) logger.info({}, "the app is away: another replica may read the component");
      this.#ownership = undefined;
      this.#reads = false;
      void this.#releaseAfter(lost(ownership.remaining), ownership);
      standsBy();
    }, awayFor);
  }

  #changed(ownership: Ownership): void {
    if (ownership !== this.#ownership || ownership.reads === this.#reads) return;
    this.#reads = ownership.reads;
    const { logger, gained, lost } = this.#options;
    if (this.#reads) {
      logger.info({ lease: `epoch ${ownership.epoch}` }, "this replica reads the component now");
      return gained();
    }
    const { remaining, reason } = ownership;
    logger.warn({ reason }, "this replica reads the component no more");
    void lost(remaining);
  }
}
