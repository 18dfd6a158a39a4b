import { clock } from "../../clock.ts";
import { faultPoints, reach } from "../../fault-point.ts";
import type { RetryPolicy } from "../../policy/retry.ts";
import type { Outcome } from "../app.ts";
import type { AttemptCounts } from "./attempt-counts.ts";
import type { Deduplication } from "./deduplication.ts";
import type { Entry } from "./entry.ts";

/** What is looked up and written before an event goes to the app: whether it is a duplicate, and that an attempt begins. */
export class Preparation {
  readonly #counts: AttemptCounts;
  readonly #deduplication: Deduplication | undefined;

  constructor(counts: AttemptCounts, deduplication: Deduplication | undefined) {
    this.#counts = counts;
    this.#deduplication = deduplication;
  }

  /** Takes up what an earlier delivery of an event has left. */
  recall(entry: Entry, { attempts }: RetryPolicy): void {
    if (!this.#counts.some) return;
    const known = this.#counts.find(entry.event);
    if (known === undefined) return;
    const { identity, fingerprint, begun, lastError, deadLettered, notBefore = 0 } = known;
    entry.identity = { identity, fingerprint };
    entry.failed = entry.noted = begun;
    entry.lastError = lastError;
    if (deadLettered || begun >= attempts)
      entry.exhausted = { cause: "exhausted", reason: lastError, why: "its attempts are used up" };
    const pause = notBefore - clock.elapsed();
    if (pause > 0) entry.pause = pause;
  }

  isNeeded(entry: Entry): boolean {
    if (entry.preparing || this.#counts.mustNote(entry)) return true;
    return this.#mustClaim(entry);
  }

  /** Begins it, unless it is under way, and calls back once it is done. */
  begin(entry: Entry, done: () => void): void {
    if (entry.preparing) return;
    entry.preparing = true;
    const work = this.#mustClaim(entry) ? this.#claim(entry) : this.#note(entry);
    void work.then(() => {
      entry.preparing = false;
      done();
    });
  }

  /** The event is done with, unless the outcome says otherwise, and its source is about to hear of it. Never rejects. */
  async complete(entry: Entry, outcome?: Outcome): Promise<void> {
    const { claim } = entry;
    const isDone = outcome === undefined || ["handled", "dropped"].includes(outcome.kind);
    if (claim === undefined || !isDone) return;
    await this.#deduplication?.complete(claim);
    entry.claim = undefined;
    if (faultPoints) reach("claim completed");
  }

  #mustClaim({ duplicate, event, redriven }: Entry): boolean {
    if (this.#deduplication === undefined || duplicate !== undefined) return false;
    return redriven === undefined && this.#deduplication.keyOf(event) !== undefined;
  }

  async #claim(entry: Entry): Promise<void> {
    const key = this.#deduplication?.keyOf(entry.event) ?? "";
    const claimed = (await this.#deduplication?.claim(key)) ?? true;
    if (faultPoints) reach("claimed");
    if (claimed && entry.settled) return this.#deduplication?.release(key);
    if (claimed) entry.claim = key;
    entry.duplicate = !claimed;
  }

  async #note(entry: Entry): Promise<void> {
    await this.#counts.note(entry);
    if (faultPoints) reach("attempt noted");
  }
}
