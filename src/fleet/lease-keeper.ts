import { clock, type Timer } from "../clock.ts";
import { delay } from "../delay.ts";
import { BindingError, messageOf } from "../errors.ts";
import type { LeaseGrant, LeaseHolder } from "../store/leases.ts";
import type { LeaseKeeperOptions } from "./lease-keeper-options.ts";
import { RenewalRounds } from "./renewal-rounds.ts";
import { StoreClock } from "./store-clock.ts";
import { clockDrift, leaseTimes, type LeaseTimes } from "./times.ts";

/** How long a lease counts: by `clock.elapsed()`, and by `clock.now()` where it says so. */
export type LeaseTerm = {
  readonly epoch: number;
  readonly heldUntil: number;
  readonly heldUntilTimeOfDay: number;
  /** An owner stops reading before; `undefined`: it has. */
  readonly readsUntil: number | undefined;
};

/**
 * `waiting`: another has the lease, or nobody knows; `owner`; `ending`: the lease could not be renewed in time, and ends or
 * has ended, and nobody is known to have it; `leaving`: it is being handed over; `released`: for good.
 */
type State = "waiting" | "owner" | "ending" | "leaving" | "released";

/**
 * One replica's side of the lease of one component: it takes the lease once nobody has it, renews it, and stops counting it as
 * its own before the store does.
 *
 * The lease ends `ttl` after the request for it was *sent*, by the monotonic clock of this process and shortened by what the
 * rates of two clocks may differ. The store counts from a later moment, so that no other owner begins before. A
 * machine that was suspended may have a monotonic clock that stood still: so the time of day, too, must not have gone
 * further than the lease.
 */
export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions;
  readonly #times: LeaseTimes;
  readonly #random: () => number;
  readonly #clock: StoreClock;
  readonly #rounds: RenewalRounds;
  #state: State = "waiting";
  #grant: LeaseGrant | undefined;
  /** When the lease ends, by `clock.elapsed()`, and at the latest by `clock.now()`. */
  #ends = 0;
  #endsAtTimeOfDay = 0;
  #holder: LeaseHolder | undefined;
  #trouble = "";
  #since: number;
  #timer: Timer | undefined;
  /** Ends the reading before the lease ends. */
  #endTimer: Timer | undefined;
  /** How often nobody had the lease, as the store told: what was asked before is out of date. */
  #vacancies = 0;
  #failures = 0;
  /** Each request has a number; what an earlier state has asked for counts no more. */
  #turn = 0;
  #releasing: Promise<void> | undefined;
  /** To whom it is handed over once what was read is settled, and until when that may take, by `clock.elapsed()`. */
  #handingOver: { readonly to: string; readonly until: number } | undefined;
  #handOverTimer: Timer | undefined;
  #leaving: Promise<void> | undefined;
  /** The requests for the lease that are under way. */
  readonly #asking = new Set<Promise<void>>();
  #renewing: Promise<void> | undefined;

  constructor(options: LeaseKeeperOptions) {
    this.#options = options;
    this.#times = options.times ?? leaseTimes;
    this.#random = options.random ?? Math.random;
    this.#clock = options.storeClock ?? new StoreClock();
    this.#rounds = options.rounds ?? new RenewalRounds(this.#times.renewAfter, this.#random);
    this.#since = clock.now();
  }

  /** Asks for the lease, until {@link LeaseKeeper.release}, whenever nobody is known to have it. */
  start(): void {
    const isFree = this.#holder === undefined;
    this.#acquireIn(isFree ? this.#vacancyWait(this.#spread() / 4) : undefined);
  }

  /**
   * Hands the lease over to another replica: nothing more is read, and what was read may take so many milliseconds. The lease
   * is renewed until {@link LeaseKeeper.readingEnded}.
   */
  handOver(to: string, within: number): void {
    if (!this.reads) return;
    this.#handingOver = { to, until: clock.elapsed() + within };
    this.#handOverTimer = clock.setTimeout(() => this.readingEnded(), within);
    this.#changed();
  }

  readingEnded(): void {
    if (this.#state !== "owner" || this.#handingOver === undefined) return;
    this.#leaving = this.#leave();
  }

  /** Asks for it though another is known to have it, should the store not have told otherwise. */
  async look(): Promise<void> {
    this.#acquire();
    await Promise.all(this.#asking);
  }

  /** Another has the lease, or nobody knows who. */
  get waits(): boolean {
    return this.#state === "waiting";
  }

  /** Who has it, as far as was told. */
  get holder(): LeaseHolder | undefined {
    return this.#holder;
  }

  get held(): boolean {
    if (this.#state !== "owner" && this.#state !== "ending") return false;
    if (clock.elapsed() < this.#ends && clock.now() < this.#endsAtTimeOfDay) return true;
    // No timer has told so: the process was stopped, or is overloaded.
    if (this.#state === "owner") this.#end("the lease ran out before it was renewed");
    return false;
  }

  get reads(): boolean {
    return this.#state === "owner" && this.#handingOver === undefined && this.held;
  }

  /** The store cannot be reached, as it seems. */
  get isDoubtful(): boolean {
    return this.#state === "ending" || this.#trouble !== "";
  }

  /** It reads, and its last renewal did not fail. */
  get isRenewed(): boolean {
    const { ttl, renewAfter } = this.#times;
    return this.reads && this.remaining > ttl * (1 - clockDrift) - 1.5 * renewAfter;
  }

  get epoch(): number | undefined {
    return this.held ? this.#grant?.epoch : undefined;
  }

  get remaining(): number {
    const until = this.#handingOver?.until ?? this.#ends;
    return this.held ? Math.max(0, until - clock.elapsed()) : 0;
  }

  /** How long it is this replica's, as far as it is known now; `undefined`: it is not. */
  get term(): LeaseTerm | undefined {
    const epoch = this.epoch;
    if (epoch === undefined) return undefined;
    return {
      epoch,
      ...{ heldUntil: this.#ends, heldUntilTimeOfDay: this.#endsAtTimeOfDay },
      readsUntil: this.reads ? this.#ends - this.#times.stopBefore : undefined,
    };
  }

  get since(): number {
    return this.#since;
  }

  get reason(): string {
    if (this.#handingOver !== undefined)
      return `replica ${this.#handingOver.to} has fewer leases, and takes this one over`;
    if (this.#state === "owner") return "";
    if (this.#state === "released") return "this replica has given it up";
    if (this.#holder !== undefined && this.#holder.replica !== this.#options.replica) {
      const since = new Date(this.#holder.since).toISOString();
      return `replica ${this.#holder.replica} reads it since ${since}`;
    }
    return this.#trouble === ""
      ? "no replica reads it at this moment; this one asks for it"
      : `this replica cannot tell who reads it: ${this.#trouble}`;
  }

  now(): number {
    return this.#clock.now();
  }

  /** The store tells who has the lease. */
  told(holder: LeaseHolder | undefined): void {
    const before = this.#holder;
    this.#holder = holder;
    if (holder === undefined) this.#vacancies++;
    const isOther = holder !== undefined && holder.replica !== this.#options.replica;
    if (this.#state === "waiting") {
      // Its own: the answer was lost, or an earlier process of this id has left it.
      const own = isOther ? undefined : this.#times.attempt;
      this.#acquireIn(holder === undefined ? this.#vacancyWait() : own);
      if (before?.replica !== holder?.replica) this.#changed();
    } else if (isOther && this.#state !== "released") {
      // What was told late may be of an owner before this one.
      const isLater = holder.since > (this.#grant?.holder.since ?? 0);
      if (isLater) this.#lose(`replica ${holder.replica} has it by now`);
      else this.#holder = this.#grant?.holder;
    }
  }

  /** Gives the lease up, if this replica has it, for good. Resolves once the store was told, or cannot be. */
  release(): Promise<void> {
    return (this.#releasing ??= this.#release());
  }

  async #release(): Promise<void> {
    const hadIt = this.#state === "owner" || this.#state === "ending";
    this.#enter("released");
    await Promise.all([...this.#asking, this.#leaving, hadIt && this.#giveBack()]);
  }

  async #leave(): Promise<void> {
    this.#enter("leaving");
    await this.#giveBack();
    // Given up for good meanwhile, or lost to the other one.
    if (this.#state !== "leaving") return;
    this.#wait();
    this.#changed();
  }

  async #giveBack(): Promise<void> {
    // A renewal that is under way must not come after the release, and is what it refers to.
    const pause = new AbortController();
    await Promise.race([this.#renewing, delay(this.#times.attempt, pause.signal)]);
    pause.abort();
    if (this.#grant !== undefined) await this.#options.leases.release(this.#grant);
  }

  #spread(): number {
    return this.#random() * this.#times.spread;
  }

  /** Before a lease that nobody has is asked for. The one to which it is handed over comes first. */
  #vacancyWait(usual = this.#spread()): number {
    const successor = this.#options.successor?.();
    if (successor === this.#options.replica) return 0;
    return successor === undefined ? usual : usual + this.#times.spread;
  }

  /** `undefined`: not before nobody has it. */
  #acquireIn(milliseconds: number | undefined): void {
    clock.clearTimeout(this.#timer);
    if (milliseconds !== undefined)
      this.#timer = clock.setTimeout(() => this.#acquire(), milliseconds);
  }

  #acquire(): void {
    if (this.#state !== "waiting") return;
    const asking = this.#ask().finally(() => this.#asking.delete(asking));
    this.#asking.add(asking);
  }

  async #ask(): Promise<void> {
    const { leases, name, replica } = this.#options;
    const turn = ++this.#turn;
    // A newer request, or another state, decides what comes next.
    const isLate = (): boolean => turn !== this.#turn;
    const vacancies = this.#vacancies;
    const [sent, sentAtTimeOfDay] = [clock.elapsed(), clock.now()];
    const { attempt: longest, retry, ttl } = this.#times;
    // One that gets no answer must not keep the lease from this replica.
    this.#acquireIn(2 * longest);
    try {
      const attempt = await leases.acquire(name, replica, ttl);
      if (attempt.state === "granted") {
        // Given up meanwhile: nobody shall wait for its end.
        if (this.#state === "released") return await leases.release(attempt.grant);
        const isNewer = attempt.grant.epoch > (this.#grant?.epoch ?? -1);
        if (isNewer) this.#granted(attempt.grant, sent, sentAtTimeOfDay);
        return;
      }
      if (isLate()) return;
      this.#failures = 0;
      this.#setTrouble("");
      // It may have been given up while the answer was under way.
      const isVacant = this.#vacancies !== vacancies && this.#holder === undefined;
      const holder = attempt.holder ?? this.#holder;
      if (isVacant) this.#acquireIn(this.#vacancyWait());
      else if (holder === undefined) this.#acquireIn(longest);
      else this.told(holder);
    } catch (error) {
      if (isLate()) return;
      this.#setTrouble(messageOf(error));
      const pause = Math.min(2_000, retry * 2 ** this.#failures++);
      this.#acquireIn(pause * (0.5 + this.#random() / 2));
    }
  }

  #granted(grant: LeaseGrant, sent: number, sentAtTimeOfDay: number): void {
    this.#clock.measured(grant.storeTime, sent);
    const { ttl, stopBefore, renewAfter } = this.#times;
    const lasts = ttl * (1 - clockDrift);
    const stopsIn = sent + lasts - stopBefore - clock.elapsed();
    this.#grant = grant;
    // The answer came too late to be of use; the store may know of it still.
    if (stopsIn <= 0) return this.#state === "waiting" ? this.#enterEnding() : undefined;
    // A renewal that was sent earlier may be answered later.
    if (sent + lasts > this.#ends) {
      this.#ends = sent + lasts;
      this.#endsAtTimeOfDay = sentAtTimeOfDay + lasts;
    }
    const isNew = this.#state !== "owner";
    if (isNew) this.#enter("owner");
    this.#holder = grant.holder;
    this.#trouble = "";
    this.#failures = 0;
    clock.clearTimeout(this.#endTimer);
    const endsIn = this.#ends - stopBefore - clock.elapsed();
    this.#endTimer = clock.setTimeout(() => this.#end("the lease could not be renewed"), endsIn);
    clock.clearTimeout(this.#timer);
    // The first one comes after half to one and a half of the time, and each later one in its round.
    this.#rounds.join(this, sent + renewAfter / 2, () => this.#renew());
    if (isNew) this.#changed();
    else this.#options.renewed?.();
  }

  #renewIn(milliseconds: number): void {
    this.#rounds.cancel(this);
    clock.clearTimeout(this.#timer);
    this.#timer = clock.setTimeout(() => this.#renew(), milliseconds);
  }

  #renew(): void {
    const grant = this.#grant;
    if (grant === undefined || (this.#state !== "owner" && this.#state !== "ending")) return;
    const turn = ++this.#turn;
    const { retry, attempt, ttl } = this.#times;
    const [sent, sentAtTimeOfDay] = [clock.elapsed(), clock.now()];
    // One that gets no answer must not take the time of those that would.
    this.#renewIn(attempt);
    this.#renewing = this.#options.leases.renew(grant, ttl).then(
      (renewed) => {
        if (this.#mayRenew(grant.epoch)) this.#granted(renewed, sent, sentAtTimeOfDay);
        else if (this.#state === "released" || this.#state === "leaving") this.#grant = renewed;
      },
      (error: unknown) => {
        if (!this.#mayRenew(grant.epoch)) return;
        if (error instanceof BindingError && error.reason === "aborted")
          return this.#lose(error.message);
        this.#trouble = messageOf(error);
        if (turn === this.#turn) this.#renewIn(retry * (0.5 + this.#random()));
      },
    );
  }

  #mayRenew(epoch: number): boolean {
    return (this.#state === "owner" || this.#state === "ending") && this.#grant?.epoch === epoch;
  }

  /** Nothing more may be read; whether another has the lease is not known, so that it is asked for still. */
  #end(reason: string): void {
    if (this.#state !== "owner") return;
    const { logger } = this.#options;
    const facts = { reason: this.#trouble || reason };
    logger.warn(facts, "the lease is not renewed: this replica stops reading before it ends");
    this.#enterEnding();
    this.#changed();
  }

  #enterEnding(): void {
    this.#enter("ending");
    this.#renewIn(this.#times.retry * this.#random());
  }

  /** The lease is another's, or nobody's. */
  #lose(reason: string): void {
    if (this.#state === "owner")
      this.#options.logger.warn({ reason }, "the lease is lost: this replica reads no more");
    this.#wait();
    this.#changed();
  }

  #wait(): void {
    if (this.#holder?.replica === this.#options.replica) this.#holder = undefined;
    this.#enter("waiting");
    this.#acquireIn(this.#holder === undefined ? this.#vacancyWait() : undefined);
  }

  #enter(state: State): void {
    this.#state = state;
    this.#handingOver = undefined;
    clock.clearTimeout(this.#handOverTimer);
    this.#since = clock.now();
    this.#turn++;
    this.#rounds.cancel(this);
    clock.clearTimeout(this.#timer);
    if (state !== "owner") clock.clearTimeout(this.#endTimer);
    if (state === "waiting") this.#grant = undefined;
    if (state === "waiting") this.#ends = 0;
  }

  #setTrouble(trouble: string): void {
    if (this.#trouble === trouble) return;
    this.#trouble = trouble;
    this.#changed();
  }

  #changed(): void {
    this.#options.changed();
  }
}
