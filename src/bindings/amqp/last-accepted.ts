import type { MessageName } from "./events.ts";

/**
 * The messages that were accepted last. The server has no more unsettled than the link's credit allows, and a later credit
 * tells it of the settlements before: so many at most may be unknown to it when the connection is lost.
 */
export class LastAccepted {
  #names: MessageName[] = [];
  #most = 1;

  /** The most that a credit allowed. */
  keep(credit: number): void {
    this.#most = Math.max(this.#most, credit + 1);
  }

  add(name: MessageName): void {
    this.#names.push(name);
    if (this.#names.length >= 2 * this.#most) this.#names.splice(0, this.#most);
  }

  /** They are forgotten here. */
  take(): MessageName[] {
    const last = this.#names.slice(-this.#most);
    this.#names = [];
    return last;
  }
}
