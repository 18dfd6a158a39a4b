import { clock, type Timer } from "../../clock.ts";
import { BindingError, type Reason } from "../../errors.ts";
import { Reopening } from "./reopening.ts";

/**
 * What a system answers that is there and may do all else. `unauthenticated` is none of these: a new connection logs in
 * anew.
 */
const refusals: ReadonlySet<Reason> = new Set([
  "permission_denied",
  "not_found",
  "failed_precondition",
]);
/** A reading that has lasted this long without an event is not refused either, in milliseconds. */
const standsAfter = 5_000;

/** Whether the source has refused the reading alone: the connection is as good as before. */
export function isRefusal(error: unknown): error is BindingError {
  return error instanceof BindingError && error.effect === "rejected" && refusals.has(error.reason);
}

/** An input that its source refuses, over a connection that outputs go on to use. It is tried again with growing pauses. */
export class RefusedReading {
  readonly #pauses = new Reopening();
  #again: Timer | undefined;
  #stands: Timer | undefined;
  #text = "";

  /** Why it was refused; empty: it reads, or was not tried yet. */
  get text(): string {
    return this.#text;
  }

  /** Returns whether that is new. `again` is called once, after the pause, unless {@link RefusedReading.clear} comes first. */
  refused(error: BindingError, again: () => void): boolean {
    this.clear();
    const isNew = this.#text !== error.message;
    this.#text = error.message;
    this.#pauses.ended(error);
    this.#again = clock.setTimeout(() => {
      this.#again = undefined;
      again();
    }, this.#pauses.pause);
    return isNew;
  }

  /** A reading has begun, and may be refused yet. */
  begun(): void {
    this.#pauses.opened();
    if (this.#text === "" || this.#again !== undefined) return;
    this.#stands = clock.setTimeout(() => (this.#text = ""), standsAfter);
  }

  received(): void {
    if (this.#text !== "" && this.#again === undefined) this.#text = "";
  }

  /** Nothing is tried again. */
  clear(): void {
    clock.clearTimeout(this.#again);
    clock.clearTimeout(this.#stands);
    this.#again = undefined;
    this.#stands = undefined;
  }
}
