/**
 * Watches over a connection: asks the broker for an answer when nothing was sent or heard for a
 * while, and finds it dead when nothing at all has come for as long after a question.
 */
export class KeepAlive {
  readonly #interval: number;
  readonly #ask: () => void;
  readonly #dead: () => void;
  #timer: NodeJS.Timeout | undefined;
  #lastSent = 0;
  #lastHeard = 0;
  // When the question was asked that nothing has come after.
  #asked: number | undefined;
  #listening = true;

  /** `interval`: milliseconds. */
  constructor(interval: number, ask: () => void, dead: () => void) {
    this.#interval = interval;
    this.#ask = ask;
    this.#dead = dead;
  }

  start(): void {
    this.#lastSent = performance.now();
    this.#lastHeard = this.#lastSent;
    // Often enough that what was promised to the broker holds although timers are late.
    this.#timer = setInterval(() => this.#check(), this.#interval / 4);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  sent(): void {
    this.#lastSent = performance.now();
  }

  heard(): void {
    this.#lastHeard = performance.now();
    this.#asked = undefined;
  }

  /** False: nothing is read on purpose, and silence says nothing. */
  listening(yes: boolean): void {
    this.#listening = yes;
    this.heard();
  }

  #check(): void {
    const now = performance.now();
    const awaiting = this.#listening && this.#asked !== undefined;
    if (awaiting && now - (this.#asked ?? now) >= this.#interval) {
      this.#dead();
      return;
    }
    const silent = now - this.#lastSent >= this.#interval / 2;
    const unheard = this.#listening && !awaiting && now - this.#lastHeard >= this.#interval;
    if (!silent && !unheard) return;
    if (this.#listening) this.#asked ??= now;
    this.#ask();
  }
}
