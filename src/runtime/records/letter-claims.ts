import { clock, type Timer } from "../../clock.ts";
import { messageOf } from "../../errors.ts";
import type { ClaimStore } from "../../store/store.ts";
import type { RuntimeLogger } from "../runtime-logger.ts";

export type SharedClaims = {
  /** Of a store that replicas share. */
  readonly claims: ClaimStore;
  /** This replica's id, which the others are told. */
  readonly replica: string;
  readonly logger: RuntimeLogger;
};

const scope = "dead letter";
/** A claim outlasts a replica that is gone by so much, in milliseconds. */
const lasts = 30_000;
const renewAfter = 8_000;

/** Which dead letters something is being done to: one thing at a time to each, by one replica of all. */
export class LetterClaims {
  readonly #shared: SharedClaims | undefined;
  readonly #taken = new Set<string>();
  /** When those that other replicas know of were claimed or renewed last. */
  readonly #known = new Map<string, number>();
  #timer: Timer | undefined;

  /** Absent: this process has the store alone. */
  constructor(shared: SharedClaims | undefined) {
    this.#shared = shared;
  }

  has(id: string): boolean {
    return this.#taken.has(id);
  }

  /** Resolves to why it cannot be taken, in a sentence; `undefined`: it is taken. Rejects when the store cannot tell. */
  async take(id: string): Promise<string | undefined> {
    if (this.#taken.has(id)) return "it is being redriven or changed already";
    this.#taken.add(id);
    if (this.#shared === undefined) return undefined;
    const { claims, replica } = this.#shared;
    try {
      const claim = await claims.claim(scope, id, replica, lasts);
      const isOurs = claim.state === "claimed" || (claim.state === "busy" && claim.ours);
      if (isOurs) {
        this.#known.set(id, clock.elapsed());
        this.#renewLater();
        return undefined;
      }
      this.#taken.delete(id);
      return `replica ${claim.fingerprint} is redriving or changing it`;
    } catch (error) {
      this.#taken.delete(id);
      throw error;
    }
  }

  /** Never rejects: what cannot be given up ends by itself. */
  async release(id: string): Promise<void> {
    const since = this.#known.get(id);
    this.#known.delete(id);
    // One that has run out may be another's.
    if (this.#shared !== undefined && since !== undefined && clock.elapsed() - since < lasts / 2)
      await this.#shared.claims.release(scope, id).catch(() => undefined);
    this.#taken.delete(id);
  }

  #renewLater(): void {
    this.#timer ??= clock.setTimeout(() => {
      void this.#renew().finally(() => {
        this.#timer = undefined;
        if (this.#known.size > 0) this.#renewLater();
      });
    }, renewAfter);
  }

  async #renew(): Promise<void> {
    const { claims, replica, logger } = this.#shared ?? {};
    await Promise.all(
      [...this.#known.keys()].map(async (id) => {
        try {
          const now = clock.elapsed();
          const isOurs = await claims?.renew?.(scope, id, replica ?? "", lasts);
          if (isOurs !== false && this.#known.has(id)) this.#known.set(id, now);
        } catch (error) {
          const reason = messageOf(error);
          logger?.warn({ deadLetter: id, reason }, "a claim on a dead letter cannot be renewed");
        }
      }),
    );
  }
}
