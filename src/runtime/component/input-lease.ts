import type { AnyBinding, Logger } from "../../binding.ts";
import { clock, type Timer } from "../../clock.ts";
import type { App } from "../app.ts";
import type { ComponentCode } from "./component-code.ts";
import type { Opened } from "./opening.ts";
import type { Fleet, Ownership } from "../ownership.ts";

export type InputLeaseOptions = {
  readonly name: string;
  readonly logger: Logger;
  readonly code: Pick<ComponentCode, "binding">;
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

const appAway = "the app is away: another replica may read the component";
const sourceAway = "the source cannot be reached from here: another replica may read the component";
const granted =
  "singleton: granted at once, since no other replica shares this process's store; --store nats://HOST shares one";

/** Whether the component says, or the flag for all, that one replica of the app reads. */
function isSingleton(
  { settings, metadata }: Pick<Opened, "settings" | "metadata">,
  { guarantee, isShared }: Pick<AnyBinding, "guarantee" | "isShared">,
  fleet: Fleet | undefined,
): boolean {
  if (settings.singleton !== undefined || fleet?.singleton !== true)
    return settings.singleton === true;
  const shared = isShared?.(metadata) ?? guarantee?.shared ?? true;
  return shared === false;
}

/** An app or a connection that is away for so long will not be back at once: another replica may read. Milliseconds. */
const awayFor = 10_000;

/**
 * Whether this replica reads a source that one replica reads. It asks while it has a connection and its app is there, until
 * its release: without them it could not read.
 */
export class InputLease {
  readonly #options: InputLeaseOptions;
  #ownership: Ownership | undefined;
  #unsubscribe: (() => void)[] = [];
  #isConnected = false;
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

  /**
   * There is a connection: asks for the source, if one replica reads it. `silent`: an earlier one of the component has told. False:
   * another reads it, or nobody knows.
   */
  ask(opened: Pick<Opened, "settings" | "metadata">, silent: boolean): boolean {
    const { fleet, app, code, logger } = this.#options;
    if (!isSingleton(opened, code.binding, fleet)) return true;
    if (fleet === undefined) {
      if (!this.#isConnected && !silent) logger.info({}, granted);
      this.#isConnected = true;
      return true;
    }
    this.#isConnected = true;
    if (app !== undefined && this.#unsubscribe.length === 0)
      this.#unsubscribe.push(app.onAvailability(() => this.#appChanged(fleet)));
    this.#look(fleet);
    return this.#reads;
  }

  disconnected(): void {
    const { fleet } = this.#options;
    if (fleet === undefined || !this.#isConnected) return;
    this.#isConnected = false;
    this.#look(fleet);
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

  #appChanged(fleet: Fleet): void {
    const before = this.#ownership;
    this.#look(fleet);
    if (this.#ownership === before || this.#ownership === undefined) return;
    if (this.#reads) this.#options.gained();
    else this.#options.standsBy();
  }

  /** Asks, or gives up after a while, as it can read now or not. */
  #look(fleet: Fleet): void {
    clock.clearTimeout(this.#away);
    if (this.#isReleased) return;
    const { app, name } = this.#options;
    if (this.#isConnected && app?.available !== false) {
      if (this.#ownership !== undefined) return;
      const ownership = fleet.own(name, true);
      this.#ownership = ownership;
      this.#unsubscribe.push(ownership.onChange(() => this.#changed(ownership)));
      this.#reads = ownership.reads;
    } else if (this.#ownership !== undefined)
      this.#away = clock.setTimeout(() => this.#giveUp(), awayFor);
  }

  #giveUp(): void {
    const ownership = this.#ownership;
    if (ownership === undefined) return;
    const { logger, lost, standsBy } = this.#options;
    if (this.#reads) logger.info({}, this.#isConnected ? appAway : sourceAway);
    this.#ownership = undefined;
    this.#reads = false;
    void this.#releaseAfter(lost(ownership.remaining), ownership);
    if (this.#isConnected) standsBy();
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
    void lost(remaining).then(() => {
      if (!ownership.reads) ownership.readingEnded?.();
    });
  }
}
