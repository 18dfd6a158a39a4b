/** Something that waits for its turn. */
export type Turn = {
  /** Does one piece of work. `undefined`: it is done already. The promise never rejects. */
  run(): Promise<void> | undefined;
};

/** Gives turns in the order in which they were asked for, at most `concurrency` at one time. */
export class WorkerPool {
  readonly #concurrency: number;
  #queue: (Turn | undefined)[] = [];
  #head = 0;
  #running = 0;
  #pumping = false;

  constructor(concurrency: number) {
    this.#concurrency = concurrency;
  }

  /** Puts it in line. */
  add(turn: Turn): void {
    this.#queue.push(turn);
    this.#pump();
  }

  #pump(): void {
    // Work that is done at once asks for its next turn from within: the loop below gives it, not a deeper one.
    if (this.#pumping) return;
    this.#pumping = true;
    while (this.#running < this.#concurrency && this.#head < this.#queue.length) {
      const turn = this.#next();
      const done = turn?.run();
      if (done === undefined) continue;
      this.#running++;
      void done.then(this.#ended);
    }
    this.#pumping = false;
  }

  #next(): Turn | undefined {
    const turn = this.#queue[this.#head];
    this.#queue[this.#head++] = undefined;
    if (this.#head > 1024 && this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    return turn;
  }

  readonly #ended = (): void => {
    this.#running--;
    this.#pump();
  };
}
