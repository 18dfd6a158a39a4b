import { mostEntries } from "./sqs-queue.ts";

type Waiting<Item> = {
  readonly item: Item;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
};

/** Gathers what comes within some milliseconds into one call, of as many entries as the service takes. */
export class Batcher<Item> {
  readonly #run: (items: readonly Item[]) => Promise<readonly (Error | undefined)[]>;
  readonly #linger: number;
  #waiting: Waiting<Item>[] = [];
  #timer: NodeJS.Timeout | undefined;

  /** `run` resolves to what each item came to, or rejects for all. */
  constructor(
    linger: number,
    run: (items: readonly Item[]) => Promise<readonly (Error | undefined)[]>,
  ) {
    this.#linger = linger;
    this.#run = run;
  }

  add(item: Item): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      if (this.#waiting.length >= mostEntries) this.#send();
      else this.#timer ??= setTimeout(() => this.#send(), this.#linger);
    });
  }

  #send(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const batch = this.#waiting.splice(0, mostEntries);
    if (this.#waiting.length > 0) this.#timer = setTimeout(() => this.#send(), 0);
    if (batch.length === 0) return;
    this.#run(batch.map(({ item }) => item)).then(
      (results) => {
        for (const [at, { resolve, reject }] of batch.entries()) {
          const failure = results[at];
          if (failure === undefined) resolve();
          else reject(failure);
        }
      },
      (error: unknown) => {
        for (const { reject } of batch) reject(error);
      },
    );
  }
}
