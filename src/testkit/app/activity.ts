import { clearTimeout, setImmediate, setTimeout } from "node:timers";
import { AsyncLocalStorage } from "node:async_hooks";

/**
 * Who does it. `app`: code of the test's, which may never end. `remote app`: the same in another process, so that its
 * invocations are not known as its own. `kit`: a part of the kit, which ends however long it takes.
 */
type Doer = "app" | "remote app" | "kit";

/** Something that began and has not ended: a call of the app, an invocation, a question to the store. */
export class Doing {
  readonly by: Doer;
  /** It was waited for in vain once, and is not again. */
  isSlow = false;
  readonly #changed: () => void;
  #timers = 0;

  constructor(by: Doer, changed: () => void) {
    this.by = by;
    this.#changed = changed;
  }

  /** Whether it is the time that has to move for it to go on. */
  get waits(): boolean {
    return this.#timers > 0;
  }

  timerStarted(): void {
    this.#timers++;
    this.#changed();
  }

  timerEnded(): void {
    this.#timers--;
  }
}

const current = new AsyncLocalStorage<Doing>();

/** What goes on in a kit, so that its time moves on only once all has been done that can be done at that moment. */
export class Activity {
  readonly #doing = new Set<Doing>();
  #change = Promise.withResolvers<void>();

  /** What the caller is a part of; `undefined`: nothing that is known. */
  static get current(): Doing | undefined {
    return current.getStore();
  }

  /** Runs something as a part of what it is called in, or as something of its own. */
  run<Result>(run: () => Promise<Result>): Promise<Result> {
    return current.getStore() === undefined ? this.begin("app", run) : run();
  }

  /** Runs something of its own. */
  async begin<Result>(by: Doer, run: () => Promise<Result>): Promise<Result> {
    const doing = new Doing(by, () => this.#changed());
    this.#doing.add(doing);
    try {
      return await current.run(doing, run);
    } finally {
      this.#doing.delete(doing);
      this.#changed();
    }
  }

  /**
   * Resolves once nothing goes on but what waits for the time, or what the app does and has been waited for so many
   * milliseconds of the process's own time.
   */
  async quiet(patience: number): Promise<void> {
    const late = Promise.withResolvers<void>();
    const began = performance.now();
    let timer: NodeJS.Timeout | undefined;
    for (await turns(); this.#isBusy; await turns()) {
      const isLate = performance.now() - began >= patience;
      if (isLate) {
        for (const doing of this.#doing) doing.isSlow = doing.by !== "kit";
        if (!this.#isBusy) break;
      }
      timer ??= setTimeout(late.resolve, patience);
      await Promise.race(isLate ? [this.#change.promise] : [this.#change.promise, late.promise]);
    }
    clearTimeout(timer);
  }

  get #isBusy(): boolean {
    let local = 0;
    let remote = 0;
    let waiting = 0;
    for (const doing of this.#doing) {
      if (doing.waits) waiting++;
      else if (doing.isSlow) continue;
      else if (doing.by === "remote app") remote++;
      else local++;
    }
    return local > 0 || remote > waiting;
  }

  #changed(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }
}

/** All that follows from what has happened so far, without anything from outside, has happened after these. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 8; turn++)
    await new Promise<void>((resolve) => void setImmediate(resolve));
}
