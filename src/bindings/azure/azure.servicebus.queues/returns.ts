/** Messages that were returned and are kept for a pause. */
export class Returns {
  readonly #waiting = new Map<NodeJS.Timeout, () => void>();

  after(pause: number, act: () => void): void {
    if (pause <= 0) return act();
    const timer = setTimeout(() => {
      this.#waiting.delete(timer);
      act();
    }, pause);
    this.#waiting.set(timer, act);
  }

  /** Ends all pauses. */
  end(): void {
    for (const [timer, act] of this.#waiting) {
      clearTimeout(timer);
      act();
    }
    this.#waiting.clear();
  }

  /** Nothing can be returned any more. */
  forget(): void {
    for (const timer of this.#waiting.keys()) clearTimeout(timer);
    this.#waiting.clear();
  }
}
