/**
 * The identities of the messages that were accepted last. The server has no more unsettled than the link's credit allows,
 * and a later credit tells it of the settlements before: so many at most may be unknown to it when the connection is lost.
 */
export class LastAccepted {
  #identities: string[] = [];
  #most = 1;

  /** The most that a credit allowed. */
  keep(credit: number): void {
    this.#most = Math.max(this.#most, credit + 1);
  }

  add(identity: string): void {
    this.#identities.push(identity);
    if (this.#identities.length >= 2 * this.#most) this.#identities.splice(0, this.#most);
  }

  /** They are forgotten here. */
  take(): string[] {
    const last = this.#identities.slice(-this.#most);
    this.#identities = [];
    return last;
  }
}
